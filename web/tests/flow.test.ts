import { describe, expect, test } from 'vitest';
import { ACK_AFTER_MS, ACK_EVERY_BYTES, OutputFlow, type Timers } from '../src/viewer/terminal/flow';

class ManualTimers implements Timers {
  private next = 1;
  readonly pending = new Map<number, { run: () => void; afterMs: number }>();
  set = (run: () => void, afterMs: number): number => {
    const id = this.next++;
    this.pending.set(id, { run, afterMs });
    return id;
  };
  clear = (id: number): void => void this.pending.delete(id);
  fire(): void {
    for (const [id, { run }] of [...this.pending]) {
      this.pending.delete(id);
      run();
    }
  }
}

function make(): { flow: OutputFlow; acks: number[]; timers: ManualTimers } {
  const acks: number[] = [];
  const timers = new ManualTimers();
  return { flow: new OutputFlow((received) => acks.push(received), timers), acks, timers };
}

describe('acknowledgements', () => {
  test('what arrived but is not drawn is not acknowledged', () => {
    const { flow, acks, timers } = make();
    flow.arrive(ACK_EVERY_BYTES * 4);
    timers.fire();
    expect(acks).toEqual([]);
    expect(flow.queued).toBe(ACK_EVERY_BYTES * 4);
  });

  test('many small pieces are joined into one, after a short time', () => {
    const { flow, acks, timers } = make();
    for (let at = 0; at < 100; at += 1) flow.draw(flow.arrive(10));
    expect(acks).toEqual([]);
    expect([...timers.pending.values()].map((timer) => timer.afterMs)).toEqual([ACK_AFTER_MS]);
    timers.fire();
    expect(acks).toEqual([1000]);
    timers.fire();
    expect(acks).toEqual([1000]);
  });

  test('a flood is acknowledged by its amount, without waiting', () => {
    const { flow, acks } = make();
    for (let at = 0; at < 8; at += 1) flow.draw(flow.arrive(ACK_EVERY_BYTES / 2));
    expect(acks).toEqual([1, 2, 3, 4].map((n) => n * ACK_EVERY_BYTES));
  });

  test('nothing is sent after the channel has gone', () => {
    const { flow, acks, timers } = make();
    flow.draw(flow.arrive(10));
    flow.stop();
    timers.fire();
    expect(acks).toEqual([]);
  });
});

describe('coming back', () => {
  test('the offset of what arrived is named, drawn or not, and output goes on from there', () => {
    const { flow, acks, timers } = make();
    const first = flow.arrive(500);
    expect(flow.received).toBe(500);
    flow.stop();
    expect(flow.open(500, true)).toBe('continues');
    flow.draw(first);
    flow.draw(flow.arrive(20));
    timers.fire();
    expect(acks).toEqual([520]);
  });

  test('a stream that starts elsewhere clears the terminal, and old callbacks count no more', () => {
    const { flow, acks, timers } = make();
    const old = flow.arrive(700);
    expect(flow.open(0, false)).toBe('clear');
    expect(flow.received).toBe(0);
    flow.draw(old);
    expect(flow.queued).toBe(0);
    flow.draw(flow.arrive(30));
    timers.fire();
    expect(acks).toEqual([30]);
  });

  test('an engine that claims to resume at another place is not believed', () => {
    const { flow } = make();
    flow.arrive(100);
    expect(flow.open(90, true)).toBe('clear');
    expect(flow.received).toBe(90);
  });

  test('skipped output is announced in mid-stream and the count goes on from the new place', () => {
    const { flow } = make();
    flow.draw(flow.arrive(100));
    expect(flow.open(5_000, false)).toBe('clear');
    flow.arrive(10);
    expect(flow.received).toBe(5_010);
  });
});

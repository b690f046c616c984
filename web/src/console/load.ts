/** The load history of a host, as a chart and as a table want it. */
import type { LoadHistory, LoadPoint } from '../api/console-types';

export const SERIES = ['cpu', 'memory', 'disk_wait', 'run_queue', 'sessions'] as const;
export type Series = (typeof SERIES)[number];

/** Per ten thousand to a share; the run queue to tasks for each processor. */
const WHOLE = 10_000;
/** A gap longer than this many periods is drawn as one: nobody knows what was in it. */
const GAP_PERIODS = 3;

export function valueOf(point: LoadPoint, series: Series): number {
  return series === 'sessions' ? point.sessions : point[series] / WHOLE;
}

/**
 * Columns for the chart: seconds since 1970, then one per series. Where no reports came for a while
 * a point without values is put in, so that no line bridges it.
 */
export function columns(history: LoadHistory): { times: number[]; values: Record<Series, (number | null)[]> } {
  const times: number[] = [];
  const values: Record<Series, (number | null)[]> = { cpu: [], memory: [], disk_wait: [], run_queue: [], sessions: [] };
  const gapMs = history.period_s * GAP_PERIODS * 1000;
  let before: LoadPoint | undefined;
  for (const point of [...history.points].sort((a, b) => a.at_ms - b.at_ms)) {
    if (before && point.at_ms - before.at_ms > gapMs) {
      times.push((before.at_ms + history.period_s * 1000) / 1000);
      for (const series of SERIES) values[series].push(null);
    }
    times.push(point.at_ms / 1000);
    for (const series of SERIES) values[series].push(valueOf(point, series));
    before = point;
  }
  return { times, values };
}

export interface Spell {
  fromMs: number;
  values: Record<Series, number>;
}

/** Means over spells of equal length, newest first: what a table shows of an hour. */
export function spells(history: LoadHistory, minutes: number): Spell[] {
  const lengthMs = minutes * 60_000;
  const bySpell = new Map<number, LoadPoint[]>();
  for (const point of history.points) {
    const fromMs = Math.floor(point.at_ms / lengthMs) * lengthMs;
    const list = bySpell.get(fromMs);
    if (list) list.push(point);
    else bySpell.set(fromMs, [point]);
  }
  return [...bySpell]
    .sort(([a], [b]) => b - a)
    .map(([fromMs, points]) => ({
      fromMs,
      values: Object.fromEntries(
        SERIES.map((series) => [series, points.reduce((sum, point) => sum + valueOf(point, series), 0) / points.length]),
      ) as Record<Series, number>,
    }));
}

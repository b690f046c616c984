import { describe, expect, test } from 'vitest';
import { ApiError } from '../src/api/errors';
import { causeWords, launchWords } from '../src/viewer/cause-words';
import { outcomeOf } from '../src/viewer/desktop/failures';
import { endingOfClose } from '../src/viewer/end-reasons';
import { KINDS } from './kinds';

describe('what a person is told whose session does not open', () => {
  test('a user is told every cause that has kept a session from opening, and what to do', () => {
    const silent = new Set(['not-planned', 'unchecked', 'not-shown', 'certificate-expires-soon', 'gremlins']);
    for (const kind of [...KINDS, 'gremlins']) {
      const words = causeWords(kind);
      if (silent.has(kind)) expect(words, kind).toBeUndefined();
      else for (const text of [words?.title, words?.why, words?.next]) expect(text, kind).toMatch(/\w/);
    }
  });

  test('a refused launch tells why no host answers, and names none; one with details is told as before', () => {
    const details = { refusal: 'no-host', pool: 'p', hosts: [{ host: 'sh1', reason: 'unreachable' }, { host: 'sh2', reason: 'full' }] };
    const error = (flowCause?: string, more?: unknown): ApiError =>
      ApiError.fromAnswer(new Response(null, { status: 409 }), { error: { code: 'launch-refused', message: 'm', cause: flowCause, details: more } });
    expect(launchWords(error('nothing-listens'))).toEqual(causeWords('nothing-listens'));
    expect(launchWords(error('nothing-listens')).next).toContain('nothing-listens');
    for (const flowCause of [undefined, 'unchecked']) {
      expect(launchWords(error(flowCause)).title).toBe('The host does not answer');
      expect(launchWords(error(flowCause)).next).toContain(flowCause ?? 'unreached');
    }
    expect(launchWords(error('nothing-listens', details)).list).toHaveLength(2);
  });

  test('the close of a connection to a host that was not reached tells the cause, and no names', () => {
    expect(endingOfClose(4002, 'host-failed cause=firewall-drops')).toEqual({ reason: 'host-failed', cause: 'firewall-drops' });
    for (const odd of ['host-failed', 'host-failed cause=', 'host-failed cause=<b>', 'host-failed by=10.0.0.1', `host-failed cause=${'a'.repeat(99)}`])
      expect(endingOfClose(4002, odd), odd).toEqual({ reason: 'host-failed' });
    expect(endingOfClose(4003, 'taken-over cause=firewall-drops')).toEqual({ reason: 'taken-over' });
    const end = { code: 'clean-path', message: '', reached: true, cleanpath: { wsa: 10061 }, closed: { code: 4002, reason: 'host-failed cause=nothing-listens' } };
    expect(outcomeOf(end, 'sh1', false)).toMatchObject({ is: 'failed', words: causeWords('nothing-listens'), retryable: true });
    expect(outcomeOf({ ...end, closed: { code: 4002, reason: 'host-failed' } }, 'sh1', false)).toMatchObject({ words: { title: 'The host refused the connection' } });
  });
});

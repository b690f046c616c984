/** Facts of the catalogue in words. */
import { m } from '../../paraglide/messages';
import type { Mark } from '../StateMark.svelte';
import type { Answer, Condition, Family } from './types';

export function answerWord(answer: Answer['answer']): { mark: Mark; word: string } {
  switch (answer) {
    case 'built':
      return { mark: 'good', word: m.ports_answer_built() };
    case 'replaced':
      return { mark: 'wait', word: m.ports_answer_replaced() };
    case 'catalogued':
      return { mark: 'off', word: m.ports_answer_catalogued() };
    case 'declined':
      return { mark: 'warn', word: m.ports_answer_declined() };
  }
}

/**
 * A clause of the planner as a sentence: its first letter large, and a full stop. Names with which
 * it may begin stay as they are written.
 */
export function sentence(text: string, names: readonly (string | null | undefined)[] = []): string {
  const [first = ''] = text;
  const isName = names.some((name) => name && text.startsWith(name) && !/[a-z0-9._@-]/.test(text.charAt(name.length)));
  const whole = isName ? text : first.toUpperCase() + text.slice(first.length);
  return /[.!?…]$/.test(whole) || whole === '' ? whole : `${whole}.`;
}

export function familyWord(family: Family): string {
  const names: Record<Family, () => string> = {
    display: m.ports_family_display,
    web: m.ports_family_web,
    product: m.ports_family_product,
    directory: m.ports_family_directory,
    files: m.ports_family_files,
    administration: m.ports_family_administration,
    names: m.ports_family_names,
    other: m.ports_family_other,
  };
  return names[family]();
}

export function answerText(answer: Answer): string {
  const { word } = answerWord(answer.answer);
  const by = 'by' in answer ? answer.by : '';
  const why = 'why' in answer ? answer.why : '';
  return [word, by, why].filter((text) => text !== '').join(': ');
}

export function proofText(proof: string): string {
  const meanings: Record<string, () => string> = {
    A: m.ports_proof_a,
    B: m.ports_proof_b,
    C: m.ports_proof_c,
    D: m.ports_proof_d,
    E: m.ports_proof_e,
    F: m.ports_proof_f,
  };
  const meaning = meanings[proof];
  return meaning === undefined ? proof : `${proof}: ${meaning()}`;
}

export function conditionText(condition: Condition): string {
  switch (condition.when) {
    case 'feature':
      return m.ports_when_feature({ feature: condition.feature ?? '' });
    case 'os': {
      const span = [condition.first ?? '', condition.last ?? ''].join(' … ').trim();
      return condition.at === 'from' ? m.ports_when_os_from({ span }) : m.ports_when_os_to({ span });
    }
    case 'same-site':
      return m.ports_when_same_site();
    case 'optional':
      return m.ports_when_optional({ why: condition.why ?? '' });
    case 'port-given':
      return m.ports_when_port({ name: condition.name ?? '', question: condition.question ?? '' });
    default:
      return condition.text ?? condition.when;
  }
}

/**
 * What an on-screen keyboard did to the input field, as keys: such keyboards change whole words while
 * they compose and correct, and give no events for single keys.
 */

export interface SoftEdit {
  backspaces: number;
  text: string;
}

export function softEdit(before: string, after: string): SoftEdit {
  const old = [...before];
  const fresh = [...after];
  let same = 0;
  while (same < old.length && same < fresh.length && old[same] === fresh[same]) same += 1;
  return { backspaces: old.length - same, text: fresh.slice(same).join('') };
}

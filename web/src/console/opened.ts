/** Which row of a list was opened last, so that the focus returns to it when the list is back. */
const last = new Map<string, string>();

export const opened = {
  remember(list: string, key: string): void {
    last.set(list, key);
  },
  /** The remembered row; once. */
  take(list: string): string | undefined {
    const key = last.get(list);
    last.delete(list);
    return key;
  },
};

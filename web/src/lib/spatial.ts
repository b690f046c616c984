/** Moving the focus by arrow keys over tiles that lie in rows. */

export type Direction = 'left' | 'right' | 'up' | 'down';

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Index of the tile that lies next in a direction, or nothing at the edge. */
export function neighbour(boxes: readonly Box[], from: number, direction: Direction): number | undefined {
  const here = boxes[from];
  if (!here) return undefined;
  // Left and right follow the reading order, across the ends of rows.
  if (direction === 'left') return from > 0 ? from - 1 : undefined;
  if (direction === 'right') return from + 1 < boxes.length ? from + 1 : undefined;
  const down = direction === 'down';
  const x = here.left + here.width / 2;
  let best: { at: number; rows: number; aside: number } | undefined;
  boxes.forEach((box, at) => {
    const rows = down ? box.top - here.top : here.top - box.top;
    if (rows < Math.min(box.height, here.height) / 2) return;
    const aside = Math.abs(box.left + box.width / 2 - x);
    // Tiles of one row may begin a little apart when their heights differ.
    const sameRow = best !== undefined && Math.abs(rows - best.rows) < box.height / 2;
    if (!best || (sameRow ? aside < best.aside : rows < best.rows)) best = { at, rows, aside };
  });
  return best?.at;
}

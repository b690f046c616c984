/** Keeps the last picture of a connection on the page. */

/** Copies the picture to `still`, at the same place, so that it stays while nothing is connected. */
export function keepPicture(canvas: HTMLCanvasElement, still: HTMLCanvasElement): void {
  const { width, height } = canvas;
  if (width === 0 || height === 0) return;
  still.width = width;
  still.height = height;
  still.style.left = canvas.style.left;
  still.style.top = canvas.style.top;
  still.style.width = canvas.style.width;
  still.style.height = canvas.style.height;
  still.getContext('2d')?.drawImage(canvas, 0, 0);
  still.hidden = false;
}

/** Looks at the canvas of the component: is there a picture yet, and keep the last one. */

const SAMPLE = 24;

/** Resolves when anything but black is on the canvas, or after `withinMs`. */
export function firstPicture(canvas: HTMLCanvasElement, withinMs: number, stop: AbortSignal): Promise<void> {
  const sample = document.createElement('canvas');
  sample.width = SAMPLE;
  sample.height = SAMPLE;
  const context = sample.getContext('2d', { willReadFrequently: true });
  return new Promise((resolve) => {
    const until = performance.now() + withinMs;
    const look = (): void => {
      if (stop.aborted || !context || performance.now() > until || hasPicture(canvas, context)) {
        resolve();
      } else window.setTimeout(look, 60);
    };
    look();
  });
}

function hasPicture(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D): boolean {
  if (canvas.width === 0 || canvas.height === 0) return false;
  context.clearRect(0, 0, SAMPLE, SAMPLE);
  context.drawImage(canvas, 0, 0, SAMPLE, SAMPLE);
  const { data } = context.getImageData(0, 0, SAMPLE, SAMPLE);
  for (let at = 0; at < data.length; at += 4) {
    if ((data[at] ?? 0) + (data[at + 1] ?? 0) + (data[at + 2] ?? 0) > 24) return true;
  }
  return false;
}

/** Copies the picture to `still`, at the same place, so that it stays while nothing is connected. */
export function keepPicture(canvas: HTMLCanvasElement, still: HTMLCanvasElement): void {
  const box = canvas.getBoundingClientRect();
  if (canvas.width === 0 || box.width === 0) return;
  still.width = canvas.width;
  still.height = canvas.height;
  still.style.left = `${box.left}px`;
  still.style.top = `${box.top}px`;
  still.style.width = `${box.width}px`;
  still.style.height = `${box.height}px`;
  still.getContext('2d')?.drawImage(canvas, 0, 0);
  still.hidden = false;
}

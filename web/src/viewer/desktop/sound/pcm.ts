/** Samples of the audio thread as the RDP client wants them. */

/** Interleaves channels to 16 bits, little endian; a channel that is missing is the first. */
export function interleave(lines: readonly Float32Array[], channels: number): Int16Array<ArrayBuffer> {
  const frames = lines[0]?.length ?? 0;
  const samples = new Int16Array(frames * channels);
  for (let frame = 0; frame < frames; frame += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const line = lines[channel] ?? lines[0];
      const value = Math.max(-1, Math.min(1, line?.[frame] ?? 0));
      samples[frame * channels + channel] = Math.round(value * 32_767);
    }
  }
  return samples;
}

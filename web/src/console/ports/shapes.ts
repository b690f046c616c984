/**
 * A shape for each verdict, on a grid of 16 by 16, so that nobody has to tell red from green. Filled
 * parts, lines cut out of them in the colour of the ground, and lines of their own.
 */
export interface Shape {
  fill?: string;
  cut?: string;
  stroke?: string;
  dashed?: boolean;
}

const SHAPES: Record<string, Shape> = {
  proven: { fill: 'M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13z', cut: 'M5 8.200l2.200 2.200L11.200 6' },
  reachable: { stroke: 'M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11z', fill: 'M8 5.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5z' },
  'wrong-service': { fill: 'M8 1 15.500 14.500H.5z', cut: 'M8 6v4M8 12.200v.1' },
  refused: { fill: 'M2 2h12v12H2z', cut: 'M5.500 5.500l5 5M10.500 5.500l-5 5' },
  blocked: { fill: 'M5.300 1.500h5.400l3.800 3.800v5.400l-3.800 3.800H5.300l-3.800-3.800V5.300z', cut: 'M4.500 8h7' },
  'no-answer': { stroke: 'M2.500 2.500h11v11h-11z', fill: 'M4.600 7.200h1.600v1.600H4.600zM7.200 7.200h1.600v1.600H7.200zM9.800 7.200h1.600v1.600H9.800z' },
  'not-resolvable': { fill: 'M8 .8 15.200 8 8 15.200.8 8z', cut: 'M6.300 6.400a1.700 1.700 0 1 1 2.500 1.500c-.6.300-.8.600-.8 1.200M8 11.400v.1' },
  skipped: { stroke: 'M3 8h10' },
  'not-checked': { stroke: 'M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11z', dashed: true },
};

export function shapeOf(verdict: string): Shape {
  return SHAPES[verdict] ?? { stroke: 'M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11z', dashed: true };
}

/** Outlines on a 24 by 24 grid, stroked with the text's colour. Drawn for Portico. */
export const ICONS = {
  desktop: 'M3.5 4.5h17v11h-17zM9 20h6M12 15.5V20',
  terminal: 'M3.5 4.5h17v15h-17zM7 9l3 3-3 3M12.5 15H17',
  editor: 'M5 3.5h9l5 5v12H5zM14 3.5v5h5M8.5 12.5h7M8.5 16h5',
  browser: 'M3.5 4.5h17v15h-17zM3.5 9h17M6.5 6.8h.01M9 6.8h.01',
  link: 'M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 1 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 1 0 5.7 5.7l1.1-1.1',
  app: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM16.5 13v7M13 16.5h7',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20.5 20.5',
  star: 'M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8-4.2-4.1 5.8-.8z',
  play: 'M7 4.5v15l12-7.5z',
  stop: 'M6 6h12v12H6z',
  person: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20.5c.6-4 3.6-6 7.5-6s6.900 2 7.500 6',
  help: 'M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17zM9.500 9.500a2.500 2.500 0 1 1 3.600 2.300c-.8.4-1.100.9-1.100 1.700M12 16.800h.01',
  alert: 'M12 3.5 21.500 20h-19zM12 10v4.500M12 17.200h.01',
  info: 'M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17zM12 11v5.500M12 7.700h.01',
  check: 'M4.500 12.500l5 5 10-11',
  close: 'M5.500 5.500l13 13M18.500 5.500l-13 13',
  eye: 'M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z',
  'eye-off': 'M4 4l16 16M9.900 5.800A9.300 9.300 0 0 1 12 5.500c6 0 9.500 6.500 9.500 6.500a16 16 0 0 1-3 3.700M6.300 7.500A15.500 15.500 0 0 0 2.500 12S6 18.500 12 18.500c1.600 0 3-.4 4.200-1M9.900 9.900a3 3 0 0 0 4.200 4.200',
  external: 'M14 4.500h5.500V10M19.500 4.500 11 13M17.500 13.500v6h-13v-13h6',
  up: 'M6 14.500l6-6 6 6',
  down: 'M6 9.500l6 6 6-6',
  expand: 'M4.500 9V4.500H9M15 4.500h4.500V9M19.500 15v4.500H15M9 19.500H4.500V15',
  clipboard: 'M8 5.500H5.500v15h13v-15H16M9 3.500h6v4H9z',
  keyboard: 'M3 6.500h18v11H3zM6.500 10h.01M10 10h.01M13.500 10h.01M17 10h.01M8 14h8',
  copy: 'M8.500 8.500h11v11h-11zM15.500 8.500v-4h-11v11h4',
  paste: 'M8 5.500H5.500v15h13v-15H16M9 3.500h6v4H9zM9 13h6M9 16.500h4',
  text: 'M4 19 9.500 5 15 19M6 14.500h7M16 19l2.500-6 2.500 6M17 17h3',
  unplug: 'M9 3.500v5M15 3.500v5M6.500 8.500h11v3a5.500 5.500 0 0 1-11 0zM12 17v3.500',
  power: 'M12 3.500v8M7 6.200a8 8 0 1 0 10 0',
  palette: 'M12 3.500a8.500 8.500 0 1 0 0 17c1.500 0 2-.9 2-1.900 0-1.600 1-2.100 2.500-2.100h1.500a2.500 2.500 0 0 0 2.500-2.500c0-6-3.800-10.500-8.500-10.500zM7.500 12h.01M9.500 8h.01M14.500 8h.01',
  microphone: 'M12 3.5a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0v-5a3 3 0 0 0-3-3zM6 11.5a6 6 0 0 0 12 0M12 17.5v3M9 20.5h6',
  upload: 'M12 16V4.500M7 9.500l5-5 5 5M4.500 16v3.500h15V16',
  download: 'M12 4.500V16M7 11l5 5 5-5M4.500 16v3.500h15V16',
  folder: 'M3.500 6h6l2 2.500h9v11h-17z',
} as const;

export type IconName = keyof typeof ICONS;

/** The icon that an estate names; anything unknown looks like a program. */
export function resourceIcon(name: string): IconName {
  switch (name) {
    case 'desktop':
    case 'terminal':
    case 'editor':
    case 'browser':
    case 'link':
      return name;
    default:
      return 'app';
  }
}

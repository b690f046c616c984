// What the stand-in portal offers.

const HOUR = 3600e3;

function offer(id, title, kind, icon, folder, description, more = {}) {
  return { id, title, kind, icon, folder, description, favourite: false, availability: { state: 'available' }, ...more };
}

export function fullWorkspace() {
  const now = Date.now();
  return {
    resources: [
      offer('desktop', 'Linux desktop', 'desktop', 'desktop', 'Work', 'Openbox with xterm', { favourite: true }),
      offer('editor', 'Text editor', 'application', 'editor', 'Work', 'One program, without a desktop around it'),
      offer('browser', 'Intranet browser', 'application', 'browser', 'Work', 'Reaches the addresses of the inner network only'),
      offer('terminal', 'Terminal', 'terminal', 'terminal', 'Work', 'A shell on the OpenSSH hosts', { favourite: true }),
      offer('windows', 'Windows Server 2025', 'desktop', 'desktop', 'Work/Accounting', 'Accounting and payroll', {
        availability: {
          state: 'unavailable',
          reason: 'sh3 is draining and takes no new sessions; sh4 does not answer',
          next_step: 'Try again in a minute; if it stays so, tell your administrator the reasons above',
        },
      }),
      offer('wiki', 'Wiki', 'link', 'link', 'Help', 'How to do things here', { url: 'https://wiki.example/' }),
      offer('helpdesk', 'Help desk', 'link', 'browser', 'Help', 'Open a ticket', { url: 'https://help.example/' }),
      offer('calc', 'Calculator', 'application', 'app', '', ''),
    ],
    sessions: [
      {
        id: 's-desktop', user: 'demo', resource: 'desktop', title: 'Linux desktop', host: 'sh1', kind: 'desktop',
        protocol: 'rdp', state: 'disconnected', since_ms: now - 0.4 * HOUR, created_at_ms: now - 5 * HOUR, reason: 'client-lost',
      },
      {
        id: 's-terminal', user: 'demo', resource: 'terminal', title: 'Terminal', host: 'ssh1', kind: 'terminal',
        protocol: 'ssh', state: 'active', since_ms: now - 26 * HOUR, created_at_ms: now - 27 * HOUR, client_address: '10.91.0.1',
      },
    ],
  };
}

const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  '"\'`${7*7}{{7*7}}',
  'line\r\nSet-Cookie: a=b',
  '\u202Etxt.exe\u202C',
  '=cmd|\' /C calc\'!A0',
  '\u001b[31mred\u001b[0m',
  'Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverwaltungsprogramm',
  'ＷＩＤＥ 漢字 עברית العربية',
];

export function hostileWorkspace() {
  return {
    resources: HOSTILE.map((name, at) =>
      offer(`hostile-${at}`, name, at === 2 ? 'link' : 'application', name, at % 2 ? name : 'Work', name, {
        favourite: at < 2,
        ...(at === 2 ? { url: 'javascript:alert(1)' } : {}),
        availability: at === 3 ? { state: 'unavailable', reason: name } : { state: 'available' },
      }),
    ),
    sessions: [
      {
        id: 's-hostile', user: 'demo', resource: 'hostile-6', title: HOSTILE[6], host: HOSTILE[0], kind: 'application',
        protocol: 'rdp', state: 'active', since_ms: Date.now(), created_at_ms: Date.now(), client_address: HOSTILE[1],
      },
    ],
  };
}

export function hugeWorkspace() {
  const resources = [];
  for (let at = 0; at < 10_000; at += 1) {
    resources.push(offer(`app-${at}`, `Program ${at}`, 'application', 'app', `Folder ${at % 40}`, `Number ${at}`));
  }
  return { resources, sessions: [] };
}

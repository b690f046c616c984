/** The RDP component and its WebAssembly backend, loaded once and only when a desktop is near. */

export interface Rdp {
  Backend: unknown;
  enableCredssp: (enable: boolean) => unknown;
  displayControl: (enable: boolean) => unknown;
}

let loading: Promise<Rdp> | undefined;

export function load(): Promise<Rdp> {
  loading ??= start().catch((error: unknown) => {
    // The next try must not get this failure again.
    loading = undefined;
    throw error;
  });
  return loading;
}

async function start(): Promise<Rdp> {
  const [backend] = await Promise.all([
    import('@devolutions/iron-remote-desktop-rdp'),
    // Defines the custom element; its exports are not needed.
    import('@devolutions/iron-remote-desktop'),
  ]);
  await backend.init('WARN');
  return {
    Backend: backend.Backend,
    enableCredssp: backend.enableCredssp,
    displayControl: backend.displayControl,
  };
}

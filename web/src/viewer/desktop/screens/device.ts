/** The screens of the device, where the browser tells them (Window Management API). */
import type { Rect } from './layout';

export interface DeviceScreen extends Rect {
  /** Name that the system gives it, such as its model; may be empty. */
  label: string;
  isPrimary: boolean;
  /** Whether the viewer is on it. */
  isHere: boolean;
  ratio: number;
}

export type Permission = 'granted' | 'prompt' | 'denied' | 'unsupported';

// The types of this API are in no library of TypeScript.
interface ScreenDetailed extends Screen {
  left: number;
  top: number;
  label: string;
  isPrimary: boolean;
  devicePixelRatio: number;
}
interface ScreenDetails extends EventTarget {
  screens: readonly ScreenDetailed[];
  currentScreen: ScreenDetailed;
}
interface ScreenWindow {
  getScreenDetails?: () => Promise<ScreenDetails>;
}

export async function permission(): Promise<Permission> {
  if (!('getScreenDetails' in window)) return 'unsupported';
  for (const name of ['window-management', 'window-placement']) {
    try {
      return (await navigator.permissions.query({ name: name as PermissionName })).state;
    } catch {
      // The other one is the name that older browsers have.
    }
  }
  return 'prompt';
}

/** Asks the person once, if the browser has not yet. Throws when they refuse. */
export async function deviceScreens(changed: () => void): Promise<DeviceScreen[]> {
  const details = await (window as unknown as ScreenWindow).getScreenDetails?.();
  if (!details) return [];
  // One listener, however often this is asked: the browser gives the same object each time.
  details.removeEventListener('screenschange', listener);
  listener = changed;
  details.addEventListener('screenschange', listener);
  return details.screens.map((one) => ({
    left: one.left,
    top: one.top,
    width: one.width,
    height: one.height,
    label: one.label,
    isPrimary: one.isPrimary,
    isHere: one === details.currentScreen,
    ratio: one.devicePixelRatio,
  }));
}

let listener: (() => void) | null = null;

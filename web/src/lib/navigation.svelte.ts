/** Where the person is, as reactive state over the history API. */
import { parseRoute, type Route } from './router';

let route = $state<Route>(parseRoute(location.pathname, location.search, location.hash));

export const navigation = {
  get route(): Route {
    return route;
  },
};

window.addEventListener('popstate', () => {
  route = parseRoute(location.pathname, location.search, location.hash);
});

/** Goes to a page of the portal. */
export function goto(href: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'replace') history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  route = parseRoute(location.pathname, location.search, location.hash);
  window.scrollTo(0, 0);
}

/** Changes the address without leaving the page that is shown. */
export function renameAddress(href: string): void {
  history.replaceState(history.state, '', href);
}

/** For `use:link` on anchors: plain clicks stay in the application, all others are the browser's. */
export function link(node: HTMLAnchorElement): { destroy: () => void } {
  const onClick = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    goto(node.pathname + node.search);
  };
  node.addEventListener('click', onClick);
  return { destroy: () => node.removeEventListener('click', onClick) };
}

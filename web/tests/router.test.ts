import { describe, expect, test } from 'vitest';
import { hrefs, parseRoute, safeNext } from '../src/lib/router';

describe('paths', () => {
  test.each([
    ['/', '', { page: 'webtop' }],
    ['/sign-in', '', { page: 'sign-in', next: '/' }],
    ['/sign-in', '?next=%2Flaunch%2Fdesktop', { page: 'sign-in', next: '/launch/desktop' }],
    ['/setup/', '', { page: 'setup', token: '' }],
    ['/launch/desktop', '', { page: 'view', resource: 'desktop' }],
    ['/view/a%40b', '', { page: 'view', resource: 'a@b' }],
    ['/console', '', { page: 'console', section: 'overview', query: '' }],
    ['/console/hosts', '?state=silent', { page: 'console', section: 'hosts', query: '?state=silent' }],
    ['/console/hosts/sh1%20a', '', { page: 'console', section: 'host', host: 'sh1 a', query: '' }],
    ['/console/ports', '?tab=plan&zone=dmz', { page: 'console', section: 'ports', query: '?tab=plan&zone=dmz' }],
    ['/console/nothing', '', { page: 'not-found', path: '/console/nothing' }],
    ['/console/sessions/x', '', { page: 'not-found', path: '/console/sessions/x' }],
    ['/console/hosts/a/b', '', { page: 'not-found', path: '/console/hosts/a/b' }],
    ['/launch', '', { page: 'not-found', path: '/launch' }],
    ['/launch/%ff', '', { page: 'not-found', path: '/launch/%ff' }],
    ['/launch/a/b', '', { page: 'not-found', path: '/launch/a/b' }],
    [`/launch/${'x'.repeat(129)}`, '', { page: 'not-found', path: `/launch/${'x'.repeat(129)}` }],
    ['/session/desktop', '', { page: 'not-found', path: '/session/desktop' }],
  ])('%s%s', (path, query, route) => {
    expect(parseRoute(path, query)).toEqual(route);
  });

  test('the token of a set-up link is read from behind the # only', () => {
    expect(parseRoute('/setup', '', '#token=a.b')).toEqual({ page: 'setup', token: 'a.b' });
    expect(parseRoute('/setup', '?token=a.b', '')).toEqual({ page: 'setup', token: '' });
  });

  test('what is written is read back', () => {
    for (const resource of ['desktop', 'a b', 'ü/?#&', '%2e%2e']) {
      const url = new URL(hrefs.launch(resource), 'https://portico.example');
      expect(parseRoute(url.pathname, url.search)).toEqual({ page: 'view', resource });
    }
    const signIn = new URL(hrefs.signIn('/view/a?x=1'), 'https://portico.example');
    expect(parseRoute(signIn.pathname, signIn.search)).toEqual({ page: 'sign-in', next: '/view/a?x=1' });
  });
});

describe('where to go after the sign-in', () => {
  test.each([
    null,
    '',
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example',
    '/\t/evil.example',
    'javascript:alert(1)',
    'launch/desktop',
    '/sign-in?next=/sign-in',
    '/api/v1/sign-out',
    '/session/desktop',
  ])('%j is the start page', (next) => {
    expect(safeNext(next)).toBe('/');
  });

  test('a path of the portal is kept', () => {
    expect(safeNext('/launch/desktop?x=1')).toBe('/launch/desktop?x=1');
  });
});

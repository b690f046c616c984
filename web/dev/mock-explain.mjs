// The stand-in's explanation of a flow: from the verdict of its own host to a cause.
const cause = (kind, title, certainty, why, next_step) => ({ kind, title, certainty, why, next_step });

/** What a result usually means, the most likely cause first. */
function causesOf(row) {
  const { from, to, port, evidence, verdict } = row;
  switch (verdict) {
    case 'refused':
      return [cause('nothing-listens', 'nothing listens there', 'certain', `${to} itself answered that nothing listens on port ${port}`, `start the service on ${to}, or let it listen on this address: ss -ltnp`)];
    case 'no-answer':
      return [
        cause('firewall-drops', 'a firewall drops it', 'likely', `${to} answers ${from} on other ports, and nothing comes back from ${port}/${row.transport}`, `let ${from} through to ${to}: portico ports rules --host ${to} says how`),
        cause('host-down', 'the host is down, or there is no way to it', 'possible', 'nothing came back within 3 s', `see whether ${to} is on`),
      ];
    case 'blocked':
      return [cause('firewall-rejects', 'a firewall rejects it', 'certain', evidence, 'ask who runs 10.20.0.1 to let it pass')];
    case 'wrong-service':
      return [cause('wrong-service', 'another service is there', 'certain', evidence, `see which program listens on port ${port} of ${to}: ss -ltnp`)];
    case 'not-resolvable':
      return [cause('name-unknown', 'the name does not resolve', 'certain', evidence, 'correct the name in the estate file, or add it to the DNS')];
    case 'reachable':
      return [cause('not-shown', 'it cannot be shown that it is the service', 'possible', evidence, 'nothing needs to be done, or use a probe with a secret')];
    case 'not-checked':
      return [cause('unchecked', 'nobody could look', 'certain', `no check of ${row.flow} to ${to} is known`, `run \`portico explain flow\` on ${from}, or let its agent check`)];
    default:
      return [];
  }
}

const notPlanned = (to) =>
  cause('not-planned', 'the plan has no such flow', 'certain', 'nothing that the two hosts do by their roles and features needs it', `correct the port, the roles or the features of the two in the estate; \`portico ports plan --host ${to}\` shows what it needs`);

/** `answer` gives the results of a query. */
export const explainRule = (answer, planOf) => ({
  match: /^GET \/ports\/explain$/, role: 'auditor',
  answer: ({ url, own, send, fail }) => {
    if (own.explain === 'error') return fail(503, 'store-away', 'no state', { retry_after_s: 5 });
    if (own.explain === 'slow') return undefined;
    const asked = Object.fromEntries(['from', 'to', 'port', 'transport'].map((key) => [key, url.searchParams.get(key)]));
    const { rows } = answer(own, planOf(own), new URLSearchParams({ to: asked.to, limit: '20000' }));
    const known = new Set([...planOf(own).hosts.map(({ id }) => id), ...rows.map(({ to }) => to)]);
    if (!known.has(asked.to)) return fail(404, 'not-found', 'There is no such host');
    const seen = rows.filter((row) => row.port === Number(asked.port) && (asked.transport ?? row.transport) === row.transport);
    const mine = seen.filter(({ from }) => from === (asked.from ?? from));
    const bad = mine.find(({ verdict }) => !['proven', 'skipped'].includes(verdict)) ?? mine[0];
    const ends = { from: asked.from, to: asked.to, port: Number(asked.port), transport: asked.transport };
    if (!bad) return send(200, { ...ends, flows: [], seen: [], causes: [{ ...notPlanned(asked.to), flow: null, from: asked.from, to: asked.to }], not_planned: true });
    const flows = [...new Map(mine.map((row) => [row.flow, row])).values()].map((row) => ({
      id: row.flow, application_protocol: row.application_protocol, purpose: row.purpose, transport: row.transport, required: row.required,
      needed_by: mine.filter(({ flow }) => flow === row.flow).map(({ from, to }) => `${from} as ${roleOf(planOf(own), from)}, of ${to} as ${roleOf(planOf(own), to)}`),
    }));
    const causes = causesOf(bad).map((one) => ({ ...one, flow: bad.flow, from: bad.from, to: bad.to }));
    const seenInOrder = [...mine, ...seen.filter((row) => !mine.includes(row))];
    return send(200, { ...ends, flows, seen: seenInOrder, causes, not_planned: false });
  },
});

function roleOf(plan, id) {
  return plan.hosts.find((host) => host.id === id)?.roles[0] ?? 'unknown';
}

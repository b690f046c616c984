/** What can go wrong with a call to the portal, in one type. */

interface Fields {
  status: number;
  code: string;
  message: string;
  reason?: string | undefined;
  nextStep?: string | undefined;
  retryAfterS?: number | undefined;
  flowCause?: string | undefined;
  details?: unknown;
}

/** Status of a call that got no answer at all. */
export const NO_ANSWER = 0;

export class ApiError extends Error {
  /** HTTP status, or `NO_ANSWER`. */
  readonly status: number;
  /** The server's code in kebab case; `server-away` when there was no answer. */
  readonly code: string;
  readonly reason: string | undefined;
  readonly nextStep: string | undefined;
  readonly retryAfterS: number | undefined;
  /** Why the flow that a launch needs does not work, as the port check has found: a slug. */
  readonly flowCause: string | undefined;
  readonly details: unknown;

  constructor(fields: Fields) {
    super(fields.message);
    this.name = 'ApiError';
    this.status = fields.status;
    this.code = fields.code;
    this.reason = fields.reason;
    this.nextStep = fields.nextStep;
    this.retryAfterS = fields.retryAfterS;
    this.flowCause = fields.flowCause;
    this.details = fields.details;
  }

  /** Whether the same call may work by itself in a moment. */
  get retryable(): boolean {
    return this.status === NO_ANSWER || this.status === 429 || this.status >= 500;
  }

  static unreachable(cause: unknown): ApiError {
    const error = new ApiError({ status: NO_ANSWER, code: 'server-away', message: 'no answer' });
    error.cause = cause;
    return error;
  }

  /** Reads the error body; a proxy in between may answer with something else entirely. */
  static fromAnswer(response: Response, body: unknown): ApiError {
    const error = isRecord(body) && isRecord(body['error']) ? body['error'] : {};
    const fallback = response.status >= 500 ? 'server-away' : `http-${response.status}`;
    return new ApiError({
      status: response.status,
      code: text(error['code']) ?? fallback,
      message: text(error['message']) ?? `HTTP ${response.status}`,
      reason: text(error['reason']),
      nextStep: text(error['next_step']),
      retryAfterS: number(error['retry_after_s']) ?? number(Number(response.headers.get('retry-after') ?? Number.NaN)),
      flowCause: text(error['cause']),
      details: error['details'],
    });
  }
}

/** The error as an `ApiError`; anything unexpected in our own code keeps its text. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError({
    status: NO_ANSWER,
    code: 'internal',
    message: error instanceof Error ? error.message : String(error),
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

import { createHash } from 'node:crypto'
import type { Clock } from '@strongroom/platform'
import { OAuthError } from '../oauth/oauth-error.ts'
import { ShortLived } from './short-lived.ts'

/** From the owner's shell to the browser. */
const codeSeconds = 300
/** From the redirect to the token endpoint (RFC 6749 section 4.1.2: short). */
const authorizationSeconds = 60
const sessionSeconds = 12 * 3600

interface Authorization {
  clientId: string
  redirectUri: string
  /** BASE64URL(SHA-256(code_verifier)), RFC 7636. */
  challenge: string
  scope: string
  nonce: string | undefined
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('base64url')

/**
 * How the owner's browser signs in, in the memory of this process: a one-time code from the owner's socket, the session
 * it begins, and the session's authorization codes. A session has two halves: the cookie, which no script can read, and
 * a secret kept by the page's origin, which is not sent to other ports of this machine (cookies ignore ports).
 */
export class SignIns {
  readonly #codes: ShortLived<true>
  readonly #sessions: ShortLived<{ binding: string }>
  readonly #authorizations: ShortLived<Authorization>

  constructor(clock: Clock) {
    this.#codes = new ShortLived({ clock, seconds: codeSeconds, most: 16 })
    this.#sessions = new ShortLived({ clock, seconds: sessionSeconds, most: 64 })
    this.#authorizations = new ShortLived({ clock, seconds: authorizationSeconds, most: 256 })
  }

  code(): { code: string; expiresIn: number } {
    return { code: this.#codes.issue(true), expiresIn: codeSeconds }
  }

  /** Begins a session with a one-time code. @returns the cookie's content; undefined if the code is used, old or wrong */
  begin(code: string, binding: string): string | undefined {
    if (this.#codes.take(code) === undefined) return undefined
    return this.#sessions.issue({ binding: sha256(binding) })
  }

  holds(cookie: string, binding: string): boolean {
    return this.#sessions.read(cookie)?.binding === sha256(binding)
  }

  end(cookie: string): void {
    this.#sessions.drop(cookie)
  }

  authorize(o: Authorization): string {
    return this.#authorizations.issue(o)
  }

  /** @throws OAuthError invalid_grant; the code is then used up */
  redeem(o: { code: string; clientId: string; redirectUri: string; verifier: string }): Authorization {
    const found = this.#authorizations.take(o.code)
    if (found === undefined || found.clientId !== o.clientId || found.redirectUri !== o.redirectUri)
      throw new OAuthError(
        'AADSTS70008',
        'The provided authorization code or refresh token has expired, was used, or is of another app.',
      )
    if (sha256(o.verifier) !== found.challenge)
      throw new OAuthError(
        'AADSTS50148',
        'The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.',
      )
    return found
  }
}

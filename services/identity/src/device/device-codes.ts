import { createHash, randomBytes, randomInt } from 'node:crypto'
import { countOf, ServiceError, type Clock, type Store } from '@strongroom/platform'
import { normaliseAudience } from '../oauth/audience.ts'
import { grantedTo, type Granted } from './granted.ts'
import { busy, OAuthError } from '../oauth/oauth-error.ts'
import { tables, type DeviceCodeRow, type RefreshTokenRow } from '../directory/store.ts'

const codeSeconds = 900
const refreshHours = 90 * 24
/** Without vowels and look-alikes (RFC 8628 section 6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'
/** Anyone may request a code, so pending ones are limited: in total, and per caller within a code's lifetime. */
const mostPending = 10_000
const mostOfCaller = 100

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What is shown to the owner before approval. */
export interface DeviceSignIn extends Granted {
  clientId: string
  scope: string
  /** Address of the program that asked; undefined if it asked the release before. */
  askedFrom: string | undefined
  expiresAt: string
}

export interface DeviceCode {
  deviceCode: string
  userCode: string
  expiresIn: number
}

/** RFC 8628 for the installation's owner, who approves a code through the local socket; and its refresh tokens. */
export class DeviceCodes {
  readonly #store: Store
  readonly #clock: Clock
  /** When each caller requested its codes, milliseconds. */
  readonly #asked = new Map<string, number[]>()

  constructor(o: { store: Store; clock: Clock }) {
    this.#store = o.store
    this.#clock = o.clock
  }

  async begin(o: { clientId: string; scope: string; /** Address. */ caller: string }): Promise<DeviceCode> {
    const now = this.#clock.now()
    const db = tables(this.#store)
    await db.deleteFrom('device_code').where('expires_at', '<', now.toISOString()).execute()
    if ((await countOf(db, db.selectFrom('device_code'))) >= mostPending) throw busy()
    this.#count(o.caller, now.getTime())
    const deviceCode = randomBytes(32).toString('base64url')
    const userCode = Array.from({ length: 9 }, () => letters[randomInt(letters.length)]).join('')
    const row: DeviceCodeRow = {
      hash: digest(deviceCode),
      user_code: userCode,
      client_id: o.clientId,
      scope: o.scope,
      state: 'pending',
      expires_at: new Date(now.getTime() + codeSeconds * 1000).toISOString(),
      asked_from: o.caller,
    }
    await db.insertInto('device_code').values(row).execute()
    return { deviceCode, userCode, expiresIn: codeSeconds }
  }

  /** @throws OAuthError 429 */
  #count(caller: string, now: number): void {
    for (const [each, times] of this.#asked)
      if ((times.at(-1) ?? 0) < now - codeSeconds * 1000) this.#asked.delete(each)
    const recent = (this.#asked.get(caller) ?? []).filter((time) => time >= now - codeSeconds * 1000)
    if (recent.length >= mostOfCaller) throw busy()
    this.#asked.set(caller, [...recent, now])
  }

  /** @throws ServiceError 404 if no such code waits */
  async waiting(userCode: string): Promise<DeviceSignIn> {
    const row = await this.#pending(userCode)
    return {
      ...grantedTo(row.client_id, row.scope),
      clientId: row.client_id,
      scope: row.scope,
      askedFrom: row.asked_from ?? undefined,
      expiresAt: row.expires_at,
    }
  }

  /**
   * @param shown what the owner was shown; undefined if they deny
   * @throws ServiceError 404 if no such code waits, 409 DeviceSignInNotShown
   */
  async decide(
    userCode: string,
    shown: Pick<DeviceSignIn, 'clientId' | 'audiences'> | undefined,
  ): Promise<DeviceSignIn> {
    const { hash } = await this.#pending(userCode)
    const asked = await this.waiting(userCode)
    if (shown !== undefined && !isSame(shown, asked)) throw notShown(asked)
    const state = shown === undefined ? 'denied' : 'approved'
    await tables(this.#store).updateTable('device_code').set({ state }).where('hash', '=', hash).execute()
    return asked
  }

  async #pending(userCode: string): Promise<DeviceCodeRow> {
    const code = userCode.toUpperCase().replaceAll(/[^A-Z]/g, '')
    const now = this.#clock.now().toISOString()
    const db = tables(this.#store)
    const row = await db.selectFrom('device_code').selectAll().where('user_code', '=', code).executeTakeFirst()
    if (row === undefined || row.state !== 'pending' || row.expires_at < now) {
      throw new ServiceError({
        code: 'DeviceCodeNotFound',
        message: 'No sign-in is waiting for this code.',
        found: code.slice(0, 20),
        remedy: 'Check the code, or start the sign-in again: a code lasts 15 minutes.',
      })
    }
    return row
  }

  /** Redeems an approved code and returns its scope. @throws OAuthError authorization_pending and the others of RFC 8628 */
  async redeem(o: { deviceCode: string; clientId: string }): Promise<{ scope: string }> {
    const db = tables(this.#store)
    const hash = digest(o.deviceCode)
    const row = await db.selectFrom('device_code').selectAll().where('hash', '=', hash).executeTakeFirst()
    if (row === undefined || row.client_id !== o.clientId)
      throw new OAuthError('AADSTS70000', 'The provided value for the device code is not valid.')
    if (row.expires_at < this.#clock.now().toISOString())
      throw new OAuthError(
        'AADSTS70020',
        'The provided value for the input parameter device_code is not valid. This device code has expired.',
      )
    if (row.state === 'pending')
      throw new OAuthError('AADSTS70016', 'OAuth 2.0 device flow error. Authorization is pending. Continue polling.')
    if (row.state === 'denied') throw new OAuthError('AADSTS70018', 'The owner declined the sign-in.')
    const gone = await db.deleteFrom('device_code').where('hash', '=', hash).executeTakeFirst()
    if (Number(gone.numDeletedRows) === 0) throw new OAuthError('AADSTS54005', 'The device code was already used.')
    return { scope: row.scope }
  }

  /** @param o.audiences those that it serves @param o.hours its lifetime; default 90 days */
  async refreshToken(o: {
    clientId: string
    appId: string
    audiences: readonly string[]
    hours?: number
  }): Promise<string> {
    const token = randomBytes(48).toString('base64url')
    const now = this.#clock.now()
    const db = tables(this.#store)
    await db.deleteFrom('refresh_token').where('expires_at', '<', now.toISOString()).execute()
    const row: RefreshTokenRow = {
      hash: digest(token),
      client_id: o.clientId,
      app_id: o.appId,
      expires_at: new Date(now.getTime() + (o.hours ?? refreshHours) * 3600_000).toISOString(),
      audiences: JSON.stringify(o.audiences),
    }
    await db.insertInto('refresh_token').values(row).execute()
    return token
  }

  /** The application of the token's principal. @throws OAuthError invalid_grant, also for an audience that was not approved */
  async refresh(o: { token: string; clientId: string; audience: string }): Promise<string> {
    const row = await tables(this.#store)
      .selectFrom('refresh_token')
      .selectAll()
      .where('hash', '=', digest(o.token))
      .executeTakeFirst()
    if (row === undefined || row.client_id !== o.clientId || row.expires_at <= this.#clock.now().toISOString())
      throw new OAuthError('AADSTS700082', 'The refresh token has expired or is not valid for this client.')
    requireGranted(audiencesOf(row), o.audience)
    return row.app_id
  }
}

const audiencesOf = ({ audiences, client_id }: RefreshTokenRow): string[] =>
  typeof audiences === 'string' ? (JSON.parse(audiences) as string[]) : grantedTo(client_id, undefined).audiences

/** @throws OAuthError invalid_grant (AADSTS65001) */
export function requireGranted(audiences: readonly string[], audience: string): void {
  if (audiences.includes(normaliseAudience(audience))) return
  throw new OAuthError(
    'AADSTS65001',
    `The owner has not consented to this client's use of '${audience.slice(0, 200)}'. Send an interactive ` +
      `authorization request for this resource. The sign-in was for: ${audiences.join(', ') || 'no resource'}.`,
  )
}

const isSame = (a: Pick<DeviceSignIn, 'clientId' | 'audiences'>, b: typeof a): boolean =>
  a.clientId === b.clientId && a.audiences.toSorted().join(' ') === b.audiences.toSorted().join(' ')

const notShown = ({ clientId, audiences }: DeviceSignIn): ServiceError =>
  new ServiceError({
    code: 'DeviceSignInNotShown',
    message: 'The approval does not state what this sign-in asks for.',
    expected: `client_id ${clientId}, audiences ${audiences.join(', ')}`,
    found: 'another client, other audiences, or none',
    remedy: 'Read what it asks for, then approve that: strongroom env --approve CODE.',
  })

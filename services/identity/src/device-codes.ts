import { createHash, randomBytes, randomInt } from 'node:crypto'
import { countOf, ServiceError, type Clock, type Store } from '@strongroom/platform'
import { busy, OAuthError } from './oauth-error.ts'
import { tables, type DeviceCodeRow, type RefreshTokenRow } from './store.ts'

const codeSeconds = 900
const refreshHours = 90 * 24
/** Without vowels and look-alikes (RFC 8628 section 6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'
/** Anyone may request a code, so pending ones are limited: in total, and per caller within a code's lifetime. */
const mostPending = 10_000
const mostOfCaller = 100

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

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
  async decide(userCode: string, state: 'approved' | 'denied'): Promise<{ clientId: string; scope: string }> {
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
    await db.updateTable('device_code').set({ state }).where('hash', '=', row.hash).execute()
    return { clientId: row.client_id, scope: row.scope }
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

  /** @param o.hours its lifetime; default 90 days */
  async refreshToken(o: { clientId: string; appId: string; hours?: number }): Promise<string> {
    const token = randomBytes(48).toString('base64url')
    const now = this.#clock.now()
    const db = tables(this.#store)
    await db.deleteFrom('refresh_token').where('expires_at', '<', now.toISOString()).execute()
    const row: RefreshTokenRow = {
      hash: digest(token),
      client_id: o.clientId,
      app_id: o.appId,
      expires_at: new Date(now.getTime() + (o.hours ?? refreshHours) * 3600_000).toISOString(),
    }
    await db.insertInto('refresh_token').values(row).execute()
    return token
  }

  /** The application of the token's principal. @throws OAuthError invalid_grant */
  async refresh(o: { token: string; clientId: string }): Promise<string> {
    const row = await tables(this.#store)
      .selectFrom('refresh_token')
      .selectAll()
      .where('hash', '=', digest(o.token))
      .executeTakeFirst()
    if (row !== undefined && row.client_id === o.clientId && row.expires_at > this.#clock.now().toISOString())
      return row.app_id
    throw new OAuthError('AADSTS700082', 'The refresh token has expired or is not valid for this client.')
  }
}

import type { Clock } from '@strongroom/platform'
import { SignJWT } from 'jose'
import type { TokenKey } from './keys.ts'
import type { Principal } from './principals.ts'

export interface IssuedToken {
  accessToken: string
  /** Seconds. */
  expiresIn: number
  /** Seconds since 1970. */
  expiresOn: number
}

/** Entra's default lies between 60 and 90 minutes. */
export const tokenSeconds = 3600

export type IssueToken = (principal: Principal, audience: string) => Promise<IssuedToken>

/** Access tokens in the shape of Entra's v1.0 and v2.0 tokens for applications. */
export function createIssuer(o: {
  key: TokenKey
  issuer: string
  tenantId: string
  clock: Clock
  newId(): string
}): IssueToken {
  return async (principal, audience) => {
    const now = Math.floor(o.clock.now().getTime() / 1000)
    const expiresOn = now + tokenSeconds
    const claims = {
      oid: principal.objectId,
      sub: principal.objectId,
      appid: principal.appId,
      azp: principal.appId,
      appidacr: '1',
      idtyp: 'app',
      tid: o.tenantId,
      app_displayname: principal.displayName,
      ver: '2.0',
      uti: o.newId(),
      ...(principal.resourceId !== undefined && { xms_mirid: principal.resourceId }),
    }
    const accessToken = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: o.key.kid })
      .setIssuer(o.issuer)
      .setAudience(audience)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(expiresOn)
      .sign(o.key.privateKey)
    return { accessToken, expiresIn: tokenSeconds, expiresOn }
  }
}

import { onBehalfOfClaim, onBehalfOfText, type AskedBy } from '@strongroom/contract'
import type { Clock } from '@strongroom/platform'
import { SignJWT } from 'jose'
import { groupsOfToken } from '../directory/directory.ts'
import type { TokenKey } from './keys.ts'
import type { Principal } from '../directory/principals.ts'

export interface IssuedToken {
  accessToken: string
  /** Seconds. */
  expiresIn: number
  /** Seconds since 1970. */
  expiresOn: number
}

/** Entra's default is between 60 and 90 minutes. */
const tokenSeconds = 3600

/** How the principal authenticated: as an application, or as a person at a client. */
type SignIn = { kind: 'app'; proof: 'secret' | 'certificate' } | { kind: 'person'; clientId: string }

export interface TokenIssuer {
  /** Access tokens in the format of Entra's v1.0 and v2.0 tokens. */
  access(principal: Principal, audience: string, signIn?: SignIn, askedBy?: AskedBy): Promise<IssuedToken>
  /** OpenID Connect id token for the client where a person signed in. */
  id(principal: Principal, clientId: string, nonce?: string): Promise<string>
}

/** The owner's name where clients show a person's. */
export const userName = (principal: Principal): string =>
  `${principal.displayName.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}@strongroom.internal`

export function createIssuer(o: {
  key: TokenKey
  issuer: string
  tenantId: string
  clock: Clock
  newId(): string
  /** Object ids of a principal's groups. */
  groupsOf(objectId: string): Promise<string[]>
}): TokenIssuer {
  const sign = async (claims: Record<string, unknown>, audience: string): Promise<IssuedToken> => {
    const now = Math.floor(o.clock.now().getTime() / 1000)
    const expiresOn = now + tokenSeconds
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
  const common = (principal: Principal): Record<string, unknown> => ({
    oid: principal.objectId,
    sub: principal.objectId,
    tid: o.tenantId,
    ver: '2.0',
    uti: o.newId(),
  })
  return {
    access: async (principal, audience, signIn = { kind: 'app', proof: 'secret' }, askedBy) => {
      const groups = await o.groupsOf(principal.objectId)
      return await sign(
        {
          ...common(principal),
          appid: principal.appId,
          ...(signIn.kind === 'app'
            ? { azp: principal.appId, appidacr: signIn.proof === 'secret' ? '1' : '2', idtyp: 'app' }
            : {
                azp: signIn.clientId,
                appidacr: '0',
                idtyp: 'user',
                scp: 'user_impersonation',
                name: principal.displayName,
                upn: userName(principal),
              }),
          app_displayname: principal.displayName,
          ...(principal.resourceId !== undefined && { xms_mirid: principal.resourceId }),
          ...(askedBy !== undefined && { [onBehalfOfClaim]: onBehalfOfText(askedBy) }),
          // With more groups the token lists none, and grants no rights by them.
          ...(groups.length > 0 && groups.length <= groupsOfToken && { groups }),
        },
        audience,
      )
    },
    id: async (principal, clientId, nonce) =>
      (
        await sign(
          {
            ...common(principal),
            name: principal.displayName,
            preferred_username: userName(principal),
            ...(nonce !== undefined && { nonce }),
          },
          clientId,
        )
      ).accessToken,
  }
}

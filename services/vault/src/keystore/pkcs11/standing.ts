import type { TokenStanding } from '@strongroom/contract'
import { codeOf, type Handle } from './module.ts'
import type { ReleaseAbility } from './release.ts'
import { attribute } from './objects.ts'
import type { Session } from './token.ts'

/** What the token reports about itself and about the key's secret object (PKCS#11 3.0 sections 4.9 and 4.10). */
export function standingOf(
  session: Session,
  key: Handle,
  o: { serial: string; slot: Handle; ability: ReleaseAbility },
): TokenStanding {
  const { binding: b, module } = session
  const info = module.C_GetTokenInfo(o.slot)
  const version = (of: { major: number; minor: number }): string => `${of.major}.${of.minor}`
  const asked = {
    sensitive: b.CKA_SENSITIVE,
    alwaysSensitive: b.CKA_ALWAYS_SENSITIVE,
    extractable: b.CKA_EXTRACTABLE,
    neverExtractable: b.CKA_NEVER_EXTRACTABLE,
    local: b.CKA_LOCAL,
    private: b.CKA_PRIVATE,
    modifiable: b.CKA_MODIFIABLE,
  }
  const object: TokenStanding['object'] = {}
  for (const [name, type] of Object.entries(asked)) {
    const value = flag(session, key, type)
    if (value !== undefined) object[name as keyof typeof asked] = value
  }
  return {
    kind: 'pkcs11',
    token: {
      label: info.label.trimEnd(),
      serial: o.serial,
      manufacturer: info.manufacturerID.trimEnd(),
      model: info.model.trimEnd(),
      hardware: version(info.hardwareVersion),
      firmware: version(info.firmwareVersion),
    },
    object,
    releaseWrappings: o.ability.algorithms,
  }
}

/** Undefined if the token has no answer: left out, and counted as neither. */
function flag(session: Session, key: Handle, type: number): boolean | undefined {
  try {
    const value = attribute(session, key, type)
    return value.length === 1 ? value[0] === 1 : undefined
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}

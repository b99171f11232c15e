import { hostReleaseWrapping, platformVault, type ReleaseWrapping } from '@strongroom/contract'
import { ServiceError, type Sealer } from '@strongroom/platform'
import type { KeyBinding, KeySpec, Keystore } from '../keystore.ts'
import { sealedMaterial } from '../material.ts'
import { generationLimit } from '../generation-limit.ts'
import type { Handle } from './module.ts'
import { unwrapInside } from './import.ts'
import { generateInside, secretClass } from './objects.ts'
import {
  releaseAbility,
  wrapInside,
  wrapWithOurTransportKey,
  type ReleaseAbility,
  type TransportKey,
} from './release.ts'
import { standingOf } from './standing.ts'
import { Token, type Session, type TokenOptions } from './token.ts'
import { useInside } from './uses.ts'

/** What we store of a key: its location. Sealed to its binding, so that a changed row leads nowhere. */
interface Reference {
  serial: string
  /** CKA_ID, hexadecimal. */
  id: string
  type: KeySpec['type']
}

export interface Pkcs11Keystore extends Keystore {
  /** Serial of the token: keys are found in this token only. */
  serial: string
  ability: ReleaseAbility
}

export type Pkcs11Options = TokenOptions & {
  sealer: Sealer
  /** Default `token`; see Pkcs11Configuration. */
  transportKey?: TransportKey
}

/** Keys inside a PKCS#11 token: created, used, and wrapped for release there. */
export async function openPkcs11Keystore(o: Pkcs11Options): Promise<Pkcs11Keystore> {
  const token = await Token.open(o)
  try {
    const ability = await token.withSession((session) => releaseAbility(session, o.transportKey ?? 'token'))
    return keystoreOf(token, ability, o)
  } catch (error) {
    token.close()
    throw error
  }
}

function keystoreOf(token: Token, ability: ReleaseAbility, o: Pkcs11Options): Pkcs11Keystore {
  const references = sealedMaterial(o.sealer.derive('pkcs11-references'))
  const limit = generationLimit()

  const opened = async (material: Uint8Array, binding: KeyBinding): Promise<Reference> =>
    JSON.parse(Buffer.from(await references.open(material, binding)).toString('utf8')) as Reference

  /** Runs `work` with the key itself, in a session of the token. */
  const withKey = async <T>(
    material: Uint8Array,
    binding: KeyBinding,
    work: (session: Session, key: Handle) => Promise<T>,
  ): Promise<T> => {
    const { serial, id, type } = await opened(material, binding)
    return token.withSession(async (session) => {
      const key =
        serial === token.serial
          ? token.find(session, secretClass(session.binding, type), Buffer.from(id, 'hex'))
          : undefined
      if (key) return work(session, key)
      throw new ServiceError({
        code: 'KeyNotInToken',
        message: `The key ${binding.name}/${binding.version} is not in the token ${o.label}.`,
        target: `${binding.name}/${binding.version}`,
        expected: `object ${id} in the token with serial ${serial}`,
        found: `none in the token with serial ${token.serial}`,
        remedy: 'Restore the token from its own backup, or reconnect the token that has the key.',
      })
    })
  }

  return {
    keepsKeys: true,
    serial: token.serial,
    ability,
    generate: async (spec, binding) => {
      if (binding.exportable) requireRelease(ability, o.label, neededBy(binding))
      const { publicParts, id } = await limit.run(() =>
        token.withSession((session) => generateInside(session, spec, binding)),
      )
      const reference: Reference = { serial: token.serial, id: id.toString('hex'), type: spec.type }
      return { publicParts, material: await references.seal(Buffer.from(JSON.stringify(reference), 'utf8'), binding) }
    },
    importWrapped: async ({ exchange, wrapped, algorithm, spec: wanted, binding }) => {
      const { keyWrapPad } = ability
      if (keyWrapPad === undefined) throw importNotSupported('a token with CKM_AES_KEY_WRAP_KWP (RFC 5649)')
      if (binding.exportable) requireRelease(ability, o.label, neededBy(binding))
      const made = await withKey(exchange.material, exchange.binding, (session, key) =>
        unwrapInside(session, {
          exchange: key,
          exchangeBits: exchange.bits,
          wrapped,
          algorithm,
          keyWrapPad,
          spec: wanted,
          binding,
        }),
      )
      const { id, spec, publicParts } = made
      const reference: Reference = { serial: token.serial, id: id.toString('hex'), type: spec.type }
      return { spec, publicParts, material: await references.seal(Buffer.from(JSON.stringify(reference)), binding) }
    },
    standing: (material, binding) =>
      withKey(material, binding, (session, key) =>
        Promise.resolve(standingOf(session, key, { serial: token.serial, slot: token.slot, ability })),
      ),
    importKey: (secret) => {
      secret.fill(0)
      return Promise.reject(importNotSupported('a key created in the vault, or one wrapped for its HSM (key_hsm)'))
    },
    use: ({ material, binding, spec, use }) =>
      withKey(material, binding, (session, key) =>
        useInside(session, { key, spec, keyWrapPad: ability.keyWrapPad }, use),
      ),
    wrapForRelease: ({ material, binding, wrappingKey, algorithm }) => {
      const { keyWrapPad, algorithms } = ability
      const transportKey = algorithms[algorithm]
      if (keyWrapPad === undefined || transportKey === undefined) {
        return Promise.reject(
          new ServiceError({
            code: 'BadParameter',
            message: `The token that holds this key does not wrap with ${algorithm}.`,
            target: 'enc',
            expected: Object.keys(algorithms).join(', ') || 'none',
            found: algorithm,
            remedy: 'Request a wrapping that the token supports, or set transportKey in the keystore’s configuration.',
          }),
        )
      }
      const wrap = transportKey === 'token' ? wrapInside : wrapWithOurTransportKey
      return withKey(material, binding, (session, key) => wrap(session, { key, wrappingKey, algorithm, keyWrapPad }))
    },
    rebind: async (material, from, to) => references.seal(await references.open(material, from), to),
    exportKey: () =>
      Promise.reject(
        new ServiceError({
          code: 'KeyExportNotSupported',
          message: 'The keys are in a token and cannot leave it, even for a backup.',
          expected: 'a software keystore',
          found: `the token ${o.label}`,
          remedy: 'Back up the token with its vendor’s tools.',
        }),
      ),
    destroy: async (material, binding) => {
      const { serial, id, type } = await opened(material, binding)
      if (serial !== token.serial) return
      await token.withSession((session) => {
        const key = token.find(session, secretClass(session.binding, type), Buffer.from(id, 'hex'))
        if (key) session.module.C_DestroyObject(session.handle, key)
        return Promise.resolve()
      })
    },
    close: () => token.close(),
  }
}

function importNotSupported(expected: string): ServiceError {
  return new ServiceError({
    code: 'KeyImportNotSupported',
    message: 'This vault keeps its keys in a token, which does not import keys in plain form.',
    target: 'key',
    expected,
    found: 'an import',
    remedy: 'Create the key instead, or wrap it to a key exchange key of this vault.',
  })
}

/** A VM's key that cannot be released with the wrapping that hosts request would only be noticed at its first boot. */
const neededBy = (binding: KeyBinding): ReleaseWrapping | undefined =>
  binding.vault === platformVault ? hostReleaseWrapping : undefined

function requireRelease(ability: ReleaseAbility, label: string, needed: ReleaseWrapping | undefined): void {
  const able = Object.keys(ability.algorithms)
  if (needed === undefined ? able.length > 0 : ability.algorithms[needed] !== undefined) return
  throw new ServiceError({
    code: 'KeyNotExportable',
    message:
      able.length === 0
        ? `The token ${label} cannot wrap a key for release, so exportable keys cannot be created in it.`
        : `The token ${label} cannot wrap a key for release with ${needed}, which hosts require: no VM could boot with a key in it.`,
    target: 'attributes.exportable',
    expected:
      able.length === 0
        ? 'CKM_AES_KEY_WRAP_KWP (RFC 5649) and CKM_RSA_PKCS_OAEP for wrapping'
        : 'CKM_RSA_PKCS_OAEP with SHA-256 for wrapping',
    found: able.length === 0 ? 'a token without them' : able.join(', '),
    remedy:
      able.length === 0
        ? 'Create a key that is not exportable, or use a token with both mechanisms.'
        : 'Use a token that supports it, or accept that the AES key of a release is created in the service’s ' +
          'memory: "transportKey": "memory" in the keystore’s configuration.',
  })
}

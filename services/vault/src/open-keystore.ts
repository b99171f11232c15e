import { ServiceError, type Logger, type Sealer, type Store } from '@strongroom/platform'
import { keepSecret, readSecret } from './store/secrets.ts'
import { readPin, type KeystoreConfiguration } from './keystore/configuration.ts'
import type { Keystore } from './keystore/keystore.ts'
import { createSoftwareKeystore } from './keystore/software.ts'

/** Which keystore a store's keys are in; fixed by the first start. */
interface Recorded {
  kind: KeystoreConfiguration['kind']
  /** Of the token. */
  serial?: string
}

const recordName = 'keystore'

/**
 * A store's keystore. Only the one that the keys were created in is accepted: its keys open in no other.
 * @throws ServiceError KeystoreChanged, and those of the token
 */
export async function openKeystore(o: {
  store: Store
  sealer: Sealer
  configuration?: KeystoreConfiguration | undefined
  logger?: Logger
}): Promise<Keystore> {
  const { store, sealer } = o
  const kept = await readSecret({ store, sealer, name: recordName })
  const recorded = kept ? (JSON.parse(Buffer.from(kept).toString('utf8')) as Recorded) : await unrecorded(store)
  const configuration = o.configuration ?? { kind: 'software' }
  if (recorded && recorded.kind !== configuration.kind) throw changed(recorded, configuration)
  const opened = await openOne(sealer, configuration, recorded?.serial, o.logger)
  if (!kept) {
    const record: Recorded = { kind: configuration.kind, ...(opened.serial !== undefined && { serial: opened.serial }) }
    await keepSecret({ store, sealer, name: recordName, value: Buffer.from(JSON.stringify(record), 'utf8') })
  }
  return opened.keystore
}

async function openOne(
  sealer: Sealer,
  configuration: KeystoreConfiguration,
  serial: string | undefined,
  logger: Logger | undefined,
): Promise<{ keystore: Keystore; serial?: string }> {
  if (configuration.kind === 'software') return { keystore: createSoftwareKeystore(sealer) }
  // Loaded on demand: most installations have no token.
  const { openPkcs11Keystore } = await import('./keystore/pkcs11/pkcs11.ts')
  const keystore = await openPkcs11Keystore({
    sealer,
    module: configuration.module,
    label: configuration.token,
    pin: () => readPin(configuration),
    transportKey: configuration.transportKey ?? 'token',
    ...(serial !== undefined && { serial }),
  })
  const inMemory = Object.entries(keystore.ability.algorithms).flatMap(([name, where]) =>
    where === 'memory' ? [name] : [],
  )
  if (inMemory.length > 0) {
    logger?.warn(
      { token: configuration.token, wrappings: inMemory },
      'the token lacks the hash for these wrappings: the AES key of such a release is created in this process’s memory',
    )
  }
  return { keystore, serial: keystore.serial }
}

/** A store with keys and no record predates the choice. */
async function unrecorded(store: Store): Promise<Recorded | undefined> {
  const row = await store.db.selectFrom('key_version').select('version').limit(1).executeTakeFirst()
  return row && { kind: 'software' }
}

function changed(recorded: Recorded, configuration: KeystoreConfiguration): ServiceError {
  const name = (kind: Recorded['kind']): string => (kind === 'software' ? 'software' : 'a PKCS#11 token')
  return new ServiceError({
    code: 'KeystoreChanged',
    message: 'The keys of this vault are not in the configured keystore; the vault does not start with another one.',
    expected: `${name(recorded.kind)}${recorded.serial === undefined ? '' : ` with serial ${recorded.serial}`}`,
    found: name(configuration.kind),
    remedy: 'Configure the keystore that the keys were created in (STRONGROOM_KEYSTORE_FILE).',
  })
}

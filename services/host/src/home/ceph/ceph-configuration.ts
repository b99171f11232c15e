import { readFile } from 'node:fs/promises'
import { object, oneOf, text, type TypeOf } from '@strongroom/contract/shape'
import { read, readSecretFile, ServiceError } from '@strongroom/platform'

const path = text(/^\/[\x21-\x7e]{1,1000}$/, 'an absolute path')

const cephConfiguration = object({
  kind: oneOf('ceph'),
  /** Of joined hosts' VMs; Strongroom creates a namespace in it for each. */
  pool: text(/^[A-Za-z0-9_.-]{1,64}$/, 'the name of a pool'),
  /** The server's CephX user, without `client.`. */
  user: text(/^[A-Za-z0-9_.-]{1,64}$/, 'a CephX user without client.'),
  /** Its keyring. */
  keyring: path,
  /** ceph.conf with the monitors. */
  conf: path,
})
/** Where disks of VMs on joined hosts are, if not on the server. No secret is in it: the key is in the keyring. */
export type CephConfiguration = TypeOf<typeof cephConfiguration>

/** @throws ServiceError FleetStorageInvalid, SecretFileExposed if others can read the keyring */
export async function readCephConfiguration(file: string): Promise<CephConfiguration> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw invalid(file, 'a file with JSON', (error as Error).message)
  }
  const configuration = read(cephConfiguration, value, { code: 'FleetStorageInvalid', subject: file })
  if ((await readSecretFile(configuration.keyring)) === undefined)
    throw invalid(`${file}: keyring`, 'the file of a CephX key, of mode 0600', 'no file')
  if ((await readFile(configuration.conf).catch(() => undefined)) === undefined)
    throw invalid(`${file}: conf`, 'a readable ceph.conf', configuration.conf)
  return configuration
}

const invalid = (target: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'FleetStorageInvalid',
    message: 'The configuration of joined hosts’ disks is not valid.',
    target,
    expected,
    found,
    remedy: 'See docs/guides/fleet.md for its members.',
  })

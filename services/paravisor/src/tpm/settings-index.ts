import { ServiceError } from '@strongroom/platform'
import { hexOf, parseNvPublic } from './nv-index.ts'
import { define, readIndex, undefine, write, type PlatformIndex } from './platform-index.ts'
import { tpmTool, type Swtpm } from './swtpm.ts'

/**
 * SHA-256 of the settings that the guest may apply, read by the initrd and the agent (image/recipes/common). Part of the guest state:
 * a host that puts an older disk back does not put back a vTPM without it.
 */
const settingsIndex: PlatformIndex = {
  index: 0x0140_0105,
  bytes: 32,
  attributes: 'ppread|ppwrite|authread|no_da|platformcreate',
}
/**
 * Whether the VM was set up: the agent writes 1 once that is on the disk. From then on the initrd starts no disk that never was, so that
 * what takes its orders from the host once, such as cloud-init, does not do so again.
 */
const setUpIndex: PlatformIndex = {
  index: 0x0140_0106,
  bytes: 1,
  attributes: `${settingsIndex.attributes}|authwrite`,
}

/** Those of `settingsIndex`, as TPMA_NV. */
const attributes = 0x4205_0001

/**
 * Binds a vTPM to its VM's settings, once: whatever is asked for later, the first stay.
 * @param settings digest; undefined for a VM whose disk brings its own settings
 * @throws ServiceError SettingsChanged
 */
export async function bindSettings(tpm: Swtpm, settings: Uint8Array | undefined): Promise<void> {
  const found = parseNvPublic((await tpmTool(tpm, 'tpm2_nvreadpublic', [])).toString()).get(settingsIndex.index)
  const ours = found?.attributes === attributes && found.size === settingsIndex.bytes
  const bound = ours ? await readIndex(tpm, settingsIndex) : undefined
  if (bound !== undefined) {
    if (settings === undefined || !bound.equals(settings)) throw changed(bound, settings)
    return
  }
  // Under this index a guest may have put one of its own.
  if (found !== undefined) await undefine(tpm, settingsIndex)
  if (settings === undefined) return
  await define(tpm, settingsIndex)
  await write(tpm, settingsIndex, settings)
}

/** Of a new vTPM, whose VM was not set up. */
export async function defineSetUp(tpm: Swtpm): Promise<void> {
  await define(tpm, setUpIndex)
  await write(tpm, setUpIndex, Uint8Array.of(0))
}

const changed = (bound: Uint8Array, stated: Uint8Array | undefined): ServiceError =>
  new ServiceError({
    code: 'SettingsChanged',
    message:
      'The VM is to boot with other settings (account, SSH keys, data) than it was made with ' +
      `(NV index ${hexOf(settingsIndex.index)}).`,
    target: 'osProfile',
    expected: `settings with SHA-256 ${hex(bound)}`,
    found: stated === undefined ? 'settings of its disk' : `settings with SHA-256 ${hex(stated)}`,
    remedy: 'Put the host’s record of the VM back as it was made, or create another VM with those settings.',
  })

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { StatelessBootEvidence } from '@strongroom/contract'
import type { TrustAnchors } from '@strongroom/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { evidenceFiles, sealToGuest } from './support/own-verifier.ts'
import { readEvidence, type VmView } from './support/vm.ts'

/**
 * A VM with NonPersistedTPM on simulated TDX, booted twice (S17). The test's relying party belongs to the owner: it has
 * the processor's roots and its own key, and calls no service of the operator.
 */
const installation = await TestInstallation.create()
const name = 'apart'
/** The owner's key for the guest's data. The operator never has it. */
const dataKey = randomBytes(32)
let vm: VmView

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  vm = await installation.must<VmView>('vm', 'create', name, '--tee', 'tdx', '--encryption', 'NonPersistedTPM')
})

afterAll(async () => await installation.remove())

const asRoot = (script: string): Promise<string> => installation.asRoot(name, script)

/** Has the guest show its evidence, verifies it, and hands the data key to this boot's vTPM. Returns its path in the guest. */
async function handOverKey(nonce: string): Promise<string> {
  const program = await readFile(resolve(import.meta.dirname, '../insider/attest-guest'), 'base64')
  const folder = `/run/own-${nonce}`
  const shown = await asRoot(`base64 -d >/run/attest-guest <<<${program}
bash /run/attest-guest evidence - ${nonce} ${folder} >&2
cd ${folder}
for file in ${evidenceFiles.join(' ')}; do echo "$file $(base64 -w0 "$file")"; done`)
  const files = Object.fromEntries(
    shown.split('\n').map((line) => {
      const [file = '', content = ''] = line.split(' ')
      return [file, Buffer.from(content, 'base64')]
    }),
  )
  const { silicon } = await readEvidence(installation, name)
  if (silicon.kind !== 'TDX') throw new TypeError('the VM is on TDX')
  const anchors = JSON.parse(await readFile(join(installation.stateDir, 'anchors.json'), 'utf8')) as TrustAnchors
  const { collateral } = silicon
  const { sealed, verified } = await sealToGuest({ files, nonce, anchors, collateral, secret: dataKey, at: new Date() })
  expect(verified.claims.configuration).toMatchObject({
    vmUniqueId: vm.properties.vmId.toUpperCase(),
    'tpm-persisted': false,
    'secure-boot': true,
  })
  await asRoot(`cd ${folder}; base64 -d >sealed <<<${Buffer.from(sealed).toString('base64')}
bash /run/attest-guest open - ${nonce} ${folder}`)
  return `${folder}/secret`
}

const endorsementKey = (): Promise<string> =>
  asRoot('tpm2_readpublic -c 0x81010001 -f pem -o /run/ek.pem -Q; sha256sum </run/ek.pem')

let firstKey: string

describe('a VM with NonPersistedTPM', () => {
  it('boots without a token, a released key or guest state of the operator’s, and its trust report says so', async () => {
    const evidence = (await readEvidence(installation, name)) as unknown as StatelessBootEvidence
    expect(evidence.stateless).toBe(true)
    for (const part of ['attestation', 'release', 'guestState']) expect(evidence).not.toHaveProperty(part)
    const files = await readdir(installation.vmFolder(vm.properties.vmId.toUpperCase()))
    expect(files.filter((file) => /vmgs/.test(file))).toEqual([])
    const { json, code } = await installation.cli('vm', 'trust', name)
    const { links } = json as { links: { id: string; outcome: string }[] }
    const hardware = ['silicon', 'measurement', 'claims', 'own-verifier', 'vtpm']
    const guest = ['image', 'measured-boot', 'disk', 'settings', 'ssh-host-key', 'running-guest']
    expect(links.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(
      [...hardware, ...guest].map((id) => `${id} verified`),
    )
    expect(code).toBe(0)
  })

  it('shows its owner’s verifier evidence of this boot, and gets the key of its data from it', async () => {
    const key = await handOverKey('first')
    await asRoot(`truncate -s 64M /var/data.img
cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file ${key} /var/data.img
cryptsetup open --key-file ${key} /var/data.img data
mkfs.ext4 -q /dev/mapper/data
mount /dev/mapper/data /mnt
echo mine >/mnt/kept
umount /mnt
cryptsetup close data
printf sealed >/run/s; tpm2_create -Q -C 0x81000001 -i /run/s -u /run/p -r /run/r; tpm2_load -Q -C 0x81000001 -u /run/p -r /run/r -c /run/o
tpm2_evictcontrol -Q -C o -c /run/o 0x81008001; sync`)
    firstKey = await endorsementKey()
  })
})

describe('the same VM at its next boot', () => {
  it('has another vTPM: another endorsement key, and nothing of what was sealed in the first', async () => {
    await installation.must('vm', 'stop', name)
    await installation.must('vm', 'start', name)
    expect(await endorsementKey()).not.toBe(firstKey)
    await expect(asRoot('tpm2_unseal -c 0x81008001')).rejects.toThrow()
  })

  it('has its disk, and opens its data with the key that its owner’s verifier hands over again', async () => {
    const key = await handOverKey('second')
    expect(
      await asRoot(`cryptsetup open --key-file ${key} /var/data.img data; mount /dev/mapper/data /mnt; cat /mnt/kept`),
    ).toBe('mine')
  })
})

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importedImageOffer, referenceImageUrn, type ImageRecord } from '@strongroom/contract'
import { parsePem } from '@strongroom/evidence'
import { dbOwner, parseVariableStore, secureBootState, signatureLists } from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeUefiVariables } from '../../services/paravisor/src/firmware/uefi-variables.ts'
import { withNewKey } from '../../services/host/src/image/signing-key.ts'
import { publisher, type Publisher } from '../../services/paravisor/src/expected/publisher.ts'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { sendFile } from './support/boot-file.ts'
import { TestInstallation } from './support/installation.ts'
import { guestStateFile, openArm, readEvidence, type VmView } from './support/vm.ts'

/**
 * One confidential VM whose Secure Boot variables are updated, really booted, and a host that would like others. The tests share it, in
 * this order. The image is built into a cache of its own: who built it signs its updates.
 */
const cache = await mkdtemp(join(tmpdir(), 'strongroom-cache-'))
process.env['STRONGROOM_CACHE_DIR'] = cache
const installation = await TestInstallation.create()
let name = 'updated'
let image: ImageRecord
let vm: VmView
let stranger: Publisher & { certificate: Uint8Array }

beforeAll(async () => {
  await installation.start()
  image = await installation.must<ImageRecord>('image', 'build', '--minimal')
  const urn = `${referenceImageUrn.publisher}:${importedImageOffer}:${image.id}:latest`
  vm = await installation.must<VmView>('vm', 'create', name, '--image', urn)
  stranger = await withNewKey(async ({ privateKey, certificatePem }) =>
    Promise.resolve({ ...publisher({ privateKey, certificatePem }), certificate: parsePem(certificatePem)[0]! }),
  )
})

afterAll(async () => {
  await installation.remove()
  await rm(cache, { recursive: true, force: true })
})

const digest = (byte: number): Uint8Array => signatureLists({ owner: dbOwner, sha256: [new Uint8Array(32).fill(byte)] })
const file = (label: string): string => join(installation.home, label)

/** Signature lists, signed by the image's publisher as an update that appends. @returns a file called .auth */
async function signedUpdate(variable: string, lists: Uint8Array, label: string): Promise<string> {
  await writeFile(file(`${label}.esl`), lists)
  const out = file(`${label}.auth`)
  await installation.must('image', 'sign-variable', variable, file(`${label}.esl`), '--image', image.id, '--out', out)
  return out
}

/** The guest's own program, with a file that it is sent. @returns what it says */
async function installs(variable: string, path: string): Promise<string> {
  await sendFile(installation, name, path, 'update.auth')
  const program = '/usr/lib/strongroom/secure-boot'
  return await installation.asRoot(name, `${program} install ${variable} ~azureuser/update.auth 2>&1 || true`)
}

/** As fwupd and efi-updatevar do it, which know nothing of us: one write of the attributes and the signed update. */
async function writesLikeFwupd(path: string): Promise<void> {
  await sendFile(installation, name, path, 'update.auth')
  const dbx = '/sys/firmware/efi/efivars/dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f'
  await installation.asRoot(
    name,
    `grep -q efivarfs /proc/mounts || mount -t efivarfs efivarfs /sys/firmware/efi/efivars
chattr -i ${dbx}
perl -e 'local $/; open my $in, "<:raw", $ARGV[0]; my $update = <$in>; open my $out, "+<:raw", $ARGV[1] or die $!;
  my $all = pack("V", 0x67) . $update; syswrite($out, $all) == length $all or die "dbx was not written: $!"' ~azureuser/update.auth ${dbx}`,
  )
}

interface Trust {
  trusted: boolean
  links: { id: string; outcome: string; shows: string[] }[]
}
async function trust(): Promise<{ trusted: boolean; image: string }> {
  const { trusted, links } = (await installation.cli('vm', 'trust', name)).json as Trust
  return { trusted, image: links.find(({ id }) => id === 'image')?.shows.join('\n') ?? '' }
}
const measuredPcr7 = async (): Promise<string> => (await readEvidence(installation, name)).measuredBoot!.pcrs['7']!
const notices = async (): Promise<string> => {
  const { properties } = await installation.must<VmView>('vm', 'show', name)
  return (properties.instanceView?.statuses ?? []).map(({ message }) => message ?? '').join('\n')
}

/** The flash file of the running VM, which the host has in memory. */
async function flashOfVm(): Promise<string> {
  const prefix = `strongroom-vm-${vm.properties.vmId.toLowerCase()}-`
  const directory = (await readdir('/dev/shm')).find((each) => each.startsWith(prefix))
  return join('/dev/shm', directory ?? '', 'variables.fd')
}

describe('a VM whose Secure Boot variables are updated', () => {
  it('takes a signed update from inside, opens its disk under the PCR 7 that was told before, and is trusted', async () => {
    expect((await trust()).trusted).toBe(true)
    await installation.asRoot(name, 'echo kept >/root/kept')
    const before = await measuredPcr7()
    const update = await signedUpdate('dbx', digest(1), 'first')
    const { next } = await installation.must<{ next: string }>(
      'vm',
      'secure-boot',
      name,
      '--variable',
      'dbx',
      '--update',
      update,
    )
    expect(await installs('dbx', update)).toContain('the disk opens for it at the next boot')
    await installation.must('vm', 'restart', name)
    expect([await measuredPcr7(), next === before]).toEqual([next, false])
    const seen = await trust()
    expect(seen.trusted).toBe(true)
    expect(seen.image).toMatch(
      /Secure Boot: dbx was appended to, (\d+) → \d+ entries, signed by Strongroom reference image$/m,
    )
    expect(await installation.asRoot(name, 'cat /root/kept')).toBe('kept')
    expect(await installation.asRoot(name, '/usr/lib/strongroom/secure-boot status')).toMatch(/^updates +1 since/m)
    expect(await notices()).not.toContain('Secure Boot')
  })

  it('takes what fwupd writes to dbx, and its owner’s update of db and KEK by the resource manager', async () => {
    await writesLikeFwupd(await signedUpdate('dbx', digest(2), 'second'))
    const theirs = signatureLists({ owner: dbOwner, certificates: [stranger.certificate] })
    for (const variable of ['KEK', 'db'])
      await installation.must(
        'vm',
        'update-secure-boot',
        name,
        variable,
        await signedUpdate(variable, theirs, variable),
      )
    await installation.must('vm', 'restart', name)
    const seen = await trust()
    expect(await notices()).not.toContain('Secure Boot')
    expect(seen.trusted).toBe(true)
    expect(seen.image).toContain('appended by the VM’s firmware, from inside the VM')
    for (const variable of ['KEK', 'db'])
      expect(seen.image).toMatch(new RegExp(`${variable} was appended to, .* from its owner`))
    expect(await installation.asRoot(name, 'cat /root/kept')).toBe('kept')
  })

  it('takes none that is unsigned, or signed by a key that is not in KEK (attack H15)', async () => {
    const lists = digest(3)
    await writeFile(file('unsigned'), lists)
    expect(await installs('dbx', file('unsigned'))).toContain('the firmware refuses the update')
    const foreign = await withNewKey(async ({ privateKey, certificatePem }) =>
      Promise.resolve(publisher({ privateKey, certificatePem })),
    )
    const update = foreign.signVariable({ variable: 'db', append: true, lists, at: new Date() })
    await writeFile(file('foreign'), update)
    expect(await installs('db', file('foreign'))).toContain('the firmware refuses the update')
    const refused = await installation.cli('vm', 'update-secure-boot', name, 'db', file('foreign'))
    expect([refused.code, (refused.json as { error: { code: string } }).error.code]).toEqual([
      1,
      'SecureBootUpdateRefused',
    ])
    // The host gives it to itself, past the command.
    const arm = await openArm(installation)
    const updates = [{ variable: 'db', update: Buffer.from(update).toString('base64') }]
    await arm.send('POST', `${vm.id}/updateSecureBootVariables`, apiVersions.compute, { updates })
  })

  it('opens its disk with its own variables whatever store the host lays down: an older dbx, keys of the host’s (attack H15)', async () => {
    const before = await measuredPcr7()
    const hosts = file('variables.fd')
    await makeUefiVariables({
      secureBoot: true,
      keys: { db: [stranger.certificate], publisher: stranger.certificate },
      out: hosts,
    })
    // QEMU has the store in its memory, and the paravisor keeps that one.
    await writeFile(await flashOfVm(), await readFile(hosts))
    await installation.must('vm', 'restart', name)
    expect(await measuredPcr7()).toBe(before)
    const told = await notices()
    expect(told).not.toContain('in the VM’s store')
    expect(told).toContain('is signed by a key that KEK does not hold')
    const seen = await trust()
    expect([seen.trusted, seen.image.match(/^Secure Boot: /gm)?.length]).toEqual([true, 4])
    const { dbx } = secureBootState(parseVariableStore(await readFile(await flashOfVm())))
    expect(Buffer.from(dbx.data).includes(Buffer.alloc(32, 2))).toBe(true)
  })

  it('does not start with the guest state of before an update of dbx (attack H15)', async () => {
    const guestState = await guestStateFile(installation, vm)
    await installation.must('vm', 'deallocate', name)
    const older = await readFile(guestState)
    await installation.must('vm', 'start', name)
    expect(await installs('dbx', await signedUpdate('dbx', digest(4), 'fourth'))).toContain('at the next boot')
    await installation.must('vm', 'deallocate', name)
    const newest = await readFile(guestState)
    await writeFile(guestState, older)
    const { code, json } = await installation.cli('vm', 'start', name)
    expect([code, (json as { error: { code: string } }).error.code]).toEqual([1, 'GuestStateRolledBack'])
    await installation.cli('vm', 'deallocate', name)
    await writeFile(guestState, newest)
    await installation.must('vm', 'start', name)
    const seen = await trust()
    expect([seen.trusted, seen.image.match(/^Secure Boot: /gm)?.length]).toEqual([true, 5])
  })
})

describe('a VM of the reference image on TDX', () => {
  it('takes what fwupd writes to dbx, to which it consents at once', { timeout: 1_800_000 }, async () => {
    await installation.must('vm', 'deallocate', name)
    name = 'reference'
    image = await installation.must<ImageRecord>('image', 'build')
    await installation.must('vm', 'create', name, '--tee', 'tdx')
    expect((await trust()).trusted).toBe(true)
    await writesLikeFwupd(await signedUpdate('dbx', digest(1), 'reference'))
    const status = '/usr/lib/strongroom/secure-boot status'
    await installation.asRoot(name, `until ${status} | grep -q "^waiting *appended dbx"; do sleep 0.2; done`)
    await installation.must('vm', 'restart', name)
    const seen = await trust()
    expect(await notices()).not.toContain('Secure Boot')
    expect([seen.trusted, seen.image.includes('appended by the VM’s firmware')]).toEqual([true, true])
  })
})

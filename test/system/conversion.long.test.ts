import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { vmPath } from '../../apps/cli/src/up/vm-request.ts'
import { begin, killAtEachStep } from './support/kill-steps.ts'
import { TestInstallation } from './support/installation.ts'
import { openArm, readEvidence, type VmView } from './support/vm.ts'

/**
 * One confidential VM, really booted, that moves from simulated SEV-SNP to TDX and back (S19). It must not lose a file
 * on its encrypted disk or a secret that its guest sealed in its vTPM under registers of the boot.
 */
const installation = await TestInstallation.create()
const name = 'moving'
const sealedAt = '0x81008001'
let vm: VmView

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  vm = await installation.must<VmView>('vm', 'create', name)
})

afterAll(async () => await installation.remove())

const asRoot = (script: string): Promise<string> => installation.asRoot(name, script)

const resize = (vmSize: string): Promise<string> =>
  begin(installation, { vm: name, method: 'PATCH', body: { properties: { hardwareProfile: { vmSize } } } })

async function outcome(vmSize: string): Promise<string> {
  const arm = await openArm(installation)
  const body = { properties: { hardwareProfile: { vmSize } } }
  return await arm.send('PATCH', vmPath(arm, 'strongroom', name), apiVersions.compute, body).then(
    ({ status }) => String(status),
    (error: unknown) => (error as Error).message,
  )
}

/** What the guest finds after a move, and what its evidence shows. */
async function seen(): Promise<{ file: string; secret: string; tee: string; trust: string; akPublic: string }> {
  const evidence = await readEvidence(installation, name)
  const { stdout, code } = await installation.cli('vm', 'trust', name)
  return {
    file: await asRoot('cat /var/kept'),
    secret: await asRoot(`tpm2_unseal -c ${sealedAt} -p pcr:sha256:4,7`),
    tee: evidence.tee,
    trust: code === 0 ? 'trusted' : stdout,
    akPublic: evidence.vtpm.akPublic,
  }
}

let before: Awaited<ReturnType<typeof seen>>

describe('a VM on SEV-SNP', () => {
  it('keeps a file on its disk and a secret sealed in its vTPM', async () => {
    await asRoot(`cd /run
echo kept >/var/kept
printf 'sealed in the guest' >secret
tpm2_createpolicy --policy-pcr -l sha256:4,7 -L policy -Q
tpm2_create -Q -C 0x81000001 -L policy -i secret -u pub -r priv
tpm2_load -Q -C 0x81000001 -u pub -r priv -c object
tpm2_evictcontrol -Q -C o -c object ${sealedAt}
rm secret
sync`)
    before = await seen()
    expect(before).toMatchObject({ file: 'kept', secret: 'sealed in the guest', tee: 'SNP', trust: 'trusted' })
  })

  it('does not move while it runs, nor to a size with a temporary disk', async () => {
    expect(await outcome('Standard_DC2es_v5')).toContain('must be deallocated')
    await installation.must('vm', 'deallocate', name)
    expect(await outcome('Standard_DC2eds_v5')).toContain('resource disk')
  })

  it('moves to Intel TDX, with the server killed at each step of it', async () => {
    const { killedAt, status } = await killAtEachStep(installation, await resize('Standard_DC2es_v5'))
    expect(status).toBe('Succeeded')
    expect(killedAt.length).toBeGreaterThan(1)
    const files = await readdir(installation.vmFolder(vm.properties.vmId.toUpperCase()))
    expect(files.filter((file) => file.includes('.vmgs'))).toEqual(['guest-state.vmgs'])
  })
})

describe('the same VM on Intel TDX', () => {
  it('boots on evidence of TDX alone, with its file, its secret, its vTPM and its id', async () => {
    await installation.must('vm', 'start', name)
    expect(await seen()).toEqual({ ...before, tee: 'TDX' })
    const { release, vmId } = await readEvidence(installation, name)
    expect(vmId).toBe(vm.properties.vmId.toUpperCase())
    expect(release.keyId).toContain('-tdx/')
  })

  it('moves back, and finds everything again', async () => {
    await installation.must('vm', 'deallocate', name)
    const { status } = await killAtEachStep(installation, await resize('Standard_EC2as_v5'))
    expect(status).toBe('Succeeded')
    await installation.must('vm', 'start', name)
    expect(await seen()).toEqual(before)
  })
})

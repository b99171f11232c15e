import { readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { HostQemu } from '../../apps/cli/src/drill/host/qemu.ts'
import { acpiTable } from '../../apps/cli/src/drill/payload/acpi-table.ts'
import { cpio } from '../../apps/cli/src/drill/payload/cpio.ts'
import { elfProgram } from '../../apps/cli/src/drill/payload/elf-program.ts'
import { makeMark } from '../../apps/cli/src/drill/host/mark.ts'
import { guestFirmwarePath } from '@strongroom/contract'
import { parsePe } from '@strongroom/evidence/expected'
import { findImage } from '../../services/host/src/image/catalog.ts'
import { imageFiles } from '../../services/paravisor/src/expected/image-files.ts'
import { loadRecipe } from '../../services/host/src/image/recipe.ts'
import { TestInstallation } from './support/installation.ts'
import { diskFile, type VmView } from './support/vm.ts'

/** A host that changes what its QEMU runs, in ways that the measurements of an honest boot do not show. */
const installation = await TestInstallation.create()
const folder = join(installation.home, 'host-qemu')

/** The host's QEMU from now on. @param vm whose; by default every one that the server starts */
async function host(change: (qemu: HostQemu) => void, vm?: string): Promise<void> {
  const qemu = new HostQemu(folder)
  change(qemu)
  await qemu.install(vm)
}

beforeAll(async () => {
  await host(() => {})
  await installation.start({ PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` })
  await installation.must('image', 'build')
})

afterAll(async () => await installation.remove())

async function createFails(name: string): Promise<{ code: string; log: string }> {
  const outcome = await installation.cli('vm', 'create', name)
  const { error } = outcome.json as { error: { code: string } }
  expect(outcome.code, outcome.stdout).toBe(1)
  const vm = await installation.must<VmView>('vm', 'show', name)
  const log = await readFile(join(await diskFile(installation, vm), '..', 'serial.log'), 'latin1').catch(() => '')
  return { code: error.code, log }
}

it('runs no instruction of firmware other than the measured one, which starts a kernel of the host’s (attack E24)', async () => {
  const image = await findImage(installation.cacheDir, (await loadRecipe()).id)
  const boot = parsePe(await readFile(join(image!.path, '..', imageFiles.boot)))
  const [kernel, initrd] = [join(installation.home, 'kernel'), join(installation.home, 'initrd')]
  await writeFile(kernel, boot.sections.find((section) => section.name === '.linux')!.data)
  await writeFile(initrd, cpio({ init: { mode: 0o100755, content: elfProgram(makeMark('initrd')) } }))
  await host((qemu) => {
    const firmware = `if=pflash,unit=0,format=raw,readonly=on,file=${guestFirmwarePath}`
    qemu.replaceArgument('if=pflash,unit=0', firmware)
    qemu.add('-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0')
  }, 'exchanged')
  const { code, log } = await createFails('exchanged')
  expect(code).toBe('FirmwareExchanged')
  expect(log).toBe('')
})

it('a table in every QEMU of the host moves PCR 1 off the computed one: its code runs in a boot without a key (attack E23)', async () => {
  const mark = makeMark('ACPI code')
  const table = join(installation.home, 'code.aml')
  await writeFile(table, acpiTable(mark))
  await host((qemu) => qemu.add('-acpitable', `file=${table}`))
  const { code, log } = await createFails('tabled')
  expect(code).toBe('MachineTablesDiffer')
  // The table reached the kernel: it is not for lack of one that the disk stayed shut.
  expect(log).toContain(mark.text)
  expect(log).toMatch(/the boot was measured differently/)
})

it('is trusted where it changes nothing', async () => {
  await host(() => {})
  await installation.must('vm', 'create', 'honest')
  expect((await installation.cli('vm', 'trust', 'honest')).code).toBe(0)
})

import { createHash, createHmac, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { admitBoots, type DiskKey } from '@strongroom/paravisor/testing'
import { writeDiskKey, manufactureTpm, startSwtpm, stopSwtpm, TpmDirectory } from '@strongroom/paravisor/tpm'
import { recipesDirectory } from './recipe.ts'

const key: DiskKey = {
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  volumeKey: new Uint8Array(randomBytes(64)),
  keyDigest: 'ab'.repeat(32),
}
const value = new Uint8Array(32).fill(1)
const registers = { 4: value, 7: value, 11: value }
const guid = '8be4df61-93ca-11d2-aa0d-00e098032b8c'

let work: string
let tpmDirectory: TpmDirectory

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'strongroom-boot-file-'))
  tpmDirectory = await TpmDirectory.make({ path: join(work, 'tpm'), user: undefined })
  await manufactureTpm({ directory: tpmDirectory })
  const updates = { publisher: 'cd'.repeat(32), image: 'debian-13-minimal' }
  await writeDiskKey({ directory: tpmDirectory, key, image: registers, updates })
})

afterAll(async () => await rm(work, { recursive: true, force: true }))

const at = (path: string): string => join(work, path)

/** The system partition with the image's own boot file, and the firmware that started it. */
beforeEach(async () => {
  for (const path of ['esp', 'state', 'efi']) await rm(at(path), { recursive: true, force: true })
  for (const path of ['esp/EFI/BOOT', 'state', 'efi']) await mkdir(at(path), { recursive: true })
  await writeFile(at('esp/EFI/BOOT/BOOTX64.EFI'), 'the image’s own')
  await firmwareStarted(1)
})

const firmwareStarted = async (option: number): Promise<void> =>
  await writeFile(at(`efi/BootCurrent-${guid}`), Buffer.from([6, 0, 0, 0, option, 0]))

const document = (generation: number, image = 'debian-13-minimal'): string => {
  const said = JSON.stringify({ version: 1, image, generation, release: `6.12.${generation}-cloud-amd64` })
  return `${Buffer.from('{}').toString('base64url')}.${Buffer.from(said).toString('base64url')}.c2ln`
}

/** One call of the guest's program, with its TPM, and folders instead of partition and firmware. */
async function bootFile(...args: string[]): Promise<string> {
  const source = join(recipesDirectory, 'common')
  const agent = await readFile(join(source, 'agent'), 'utf8')
  await writeFile(at('agent'), agent.replaceAll('/var/lib/strongroom', at('state')))
  const program = await readFile(join(source, 'boot-file'), 'utf8')
  await writeFile(
    at('boot-file'),
    program
      .replaceAll('/usr/lib/strongroom/agent', at('agent'))
      .replaceAll('/var/lib/strongroom', at('state'))
      .replaceAll('/sys/firmware/efi/efivars', at('efi'))
      .replaceAll('/run/strongroom-esp', at('esp'))
      .replaceAll('/run/strongroom-boot-file-exchanged', at('state/exchanged')),
  )
  const table = `0 8192 crypt aes-xts-plain64 ${Buffer.from(key.volumeKey).toString('hex')} 0 /dev/vda2 32768\n`
  await writeFile(at('table'), table)
  const tpm = await startSwtpm({ directory: tpmDirectory, name: 'guest', startup: 'clear' })
  const script = `BEGIN { require shift @ARGV }
use Socket qw(AF_UNIX SOCK_STREAM pack_sockaddr_un);
no warnings;
my $socket = shift; my $table = shift;
*tpm = sub {
  my ($tag, $code, $rest) = @_;
  my $tpm;
  socket $tpm, AF_UNIX, SOCK_STREAM, 0 and connect $tpm, pack_sockaddr_un($socket) or die "$!";
  syswrite $tpm, pack('nNN', $tag, 10 + length $rest, $code) . $rest;
  sysread $tpm, my $response, 4096;
  my ($response_tag, $length, $rc) = unpack 'nNN', $response;
  refuse sprintf 'TPM command %x ended with %x', $code, $rc if $rc != 0;
  my $parameters = substr $response, 10;
  return $tag == 0x8001 ? $parameters : substr $parameters, 4, unpack 'N', $parameters;
};
my $filter = \\&filter;
*filter = sub { $_[1] =~ /dmsetup/ ? contents($table) : $filter->(@_) };
*with_esp = sub { $_[0]->() };
*system_partition = sub { return { number => 1, start => 2048, length => 614400, guid => 'G' x 16 } };
main(@ARGV);`
  try {
    return (
      await run({
        command: 'perl',
        args: ['-e', script, at('boot-file'), tpm.socket, at('table'), ...args],
        allow: [1],
      })
    ).stdout.toString()
  } finally {
    await stopSwtpm(tpm)
  }
}

async function slots(lowest = 0): Promise<string[]> {
  let found: string[] = []
  await admitBoots({
    directory: tpmDirectory,
    machine: value,
    judge: async ({ slots: all }) => {
      found = all.map((slot) => Buffer.from(slot).toString('latin1').replace(/\0*$/, ''))
      return await Promise.resolve({ image: true, updates: [], lowest })
    },
  })
  return found
}

const laidDown = (text: string): string =>
  `${text} ${createHmac('sha256', key.volumeKey).update(`strongroom-boot-file:${text}`).digest('hex')}\n`

async function install(generation: number, image?: string): Promise<string> {
  await writeFile(at('linux.efi'), `kernel ${generation}`)
  await writeFile(at('linux.jws'), `${document(generation, image)}\n`)
  return await bootFile('install', at('linux.efi'), at('linux.jws'))
}

const onDisk = async (path: string): Promise<string> => await readFile(at(`esp/EFI/${path}`), 'utf8')

describe('the guest’s boot files', () => {
  it('install an update beside the default, with a MAC under the disk’s key, for one start by the firmware', async () => {
    expect(await install(1)).toContain('kernel 6.12.1-cloud-amd64 (generation 1) starts at the next boot')
    expect(await slots()).toEqual(['', laidDown(document(1))])
    expect([await onDisk('BOOT/BOOTX64.EFI'), await onDisk('Linux/other.efi')]).toEqual(['the image’s own', 'kernel 1'])
    const next = await readFile(at(`efi/BootNext-${guid}`))
    expect(next.toString('hex')).toBe('070000000200')
    const option = (await readFile(at(`efi/Boot0002-${guid}`))).toString('utf16le')
    expect(option).toContain('\\EFI\\Linux\\other.efi\0')
  })

  it('make it the default once its boot was reported, and keep the one before as the other', async () => {
    await install(2)
    await firmwareStarted(2)
    expect(await bootFile('status')).toContain('this boot  other, an update is pending')
    expect(await bootFile('settle')).toContain('is the default from now on')
    expect([await onDisk('BOOT/BOOTX64.EFI'), await onDisk('Linux/other.efi')]).toEqual(['kernel 2', 'the image’s own'])
    expect((await slots())[0]).toBe(laidDown(document(2)))
    expect(await bootFile('status')).toMatch(
      /^default +kernel 6.12.2-cloud-amd64, generation 2$[^]*^this boot +default$/m,
    )
    // As after a power loss before the end: nothing is swapped back.
    await firmwareStarted(1)
    expect(await bootFile('settle')).toBe('')
    expect(await onDisk('BOOT/BOOTX64.EFI')).toBe('kernel 2')
  })

  it('keep the default where the update did not come up', async () => {
    const before = await slots()
    await install(3)
    expect(await bootFile('settle')).toContain('did not come up')
    expect(await onDisk('BOOT/BOOTX64.EFI')).toBe('the image’s own')
    expect((await slots())[0]).toBe(before[0])
  })

  it('finish what a loss of power cut short between files and TPM', async () => {
    await install(4)
    await writeFile(at('esp/EFI/Linux/other.efi'), 'the image’s own')
    await writeFile(at('esp/EFI/BOOT/BOOTX64.EFI'), 'kernel 4')
    expect(await bootFile('settle')).toContain('is the default from now on')
    expect((await slots())[0]).toBe(laidDown(document(4)))
    expect(await onDisk('BOOT/BOOTX64.EFI')).toBe('kernel 4')
  })

  it('take none for another image, and none of a generation that was superseded', async () => {
    expect(await install(5, 'debian-13-confidential')).toContain('the boot file is for debian-13-confidential')
    await slots(6)
    expect(await install(5)).toContain('this machine takes none before 6')
    expect(
      createHash('sha256')
        .update(await onDisk('BOOT/BOOTX64.EFI'))
        .digest('hex'),
    ).toBe(createHash('sha256').update('the image’s own').digest('hex'))
  })
})

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EfiVariable } from '@strongroom/evidence/expected'
import { run } from '@strongroom/platform'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { consentVendor, readConsent, stateVariable } from '@strongroom/paravisor/testing'
import { recipesDirectory } from './recipe.ts'

const volumeKey = new Uint8Array(randomBytes(64))
const work = await mkdtemp(join(tmpdir(), 'strongroom-secure-boot-'))
afterAll(async () => await rm(work, { recursive: true, force: true }))
const at = (path: string): string => join(work, path)
const dbxFile = 'dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f'
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const before = Buffer.from('dbx of before')

const lay = async (name: string, data: Uint8Array, attributes = 7): Promise<void> =>
  await writeFile(at(`efi/${name}`), Buffer.concat([Buffer.of(attributes, 0, 0, 0), data]))

/** The firmware's variables as folders have them: a write stays as it was written. */
beforeEach(async () => {
  await rm(at('efi'), { recursive: true, force: true })
  await mkdir(at('efi'))
  await lay(dbxFile, before, 0x27)
  const state = stateVariable({ sequence: 3, dbxSha256: sha256(before) })
  await lay(`${state.name}-${state.vendor}`, state.data)
  await writeFile(at('efi/BootCurrent-8be4df61-93ca-11d2-aa0d-00e098032b8c'), Buffer.alloc(6))
})

/** One call of the guest's program. */
async function secureBoot(...args: string[]): Promise<string> {
  for (const name of ['agent', 'boot-file', 'secure-boot']) {
    const program = await readFile(join(recipesDirectory, 'common', name), 'utf8')
    const placed = program.replaceAll('/usr/lib/strongroom', work).replaceAll('/sys/firmware/efi/efivars', at('efi'))
    await writeFile(at(name), placed)
  }
  const table = `0 8192 crypt aes-xts-plain64 ${Buffer.from(volumeKey).toString('hex')} 0 /dev/vda2 32768\n`
  await writeFile(at('table'), table)
  const script = `BEGIN { require shift @ARGV }
no warnings;
my $table = shift;
my $filter = \\&filter;
*filter = sub { $_[1] =~ /dmsetup/ ? contents($table) : $filter->(@_) };
main_secure_boot(@ARGV);`
  const command = { command: 'perl', args: ['-e', script, at('secure-boot'), at('table'), ...args], allow: [1] }
  return (await run(command)).stdout.toString()
}

async function consent(): Promise<ReturnType<typeof readConsent>> {
  const variables: EfiVariable[] = []
  for (const file of await readdir(at('efi'))) {
    const [name, vendor] = [file.slice(0, -37), file.slice(-36)]
    const data = (await readFile(at(`efi/${file}`))).subarray(4)
    if (vendor === consentVendor) variables.push({ name, vendor, attributes: 7, timestamp: new Uint8Array(16), data })
  }
  return readConsent(variables, volumeKey)
}

describe('the guest’s Secure Boot variables', () => {
  it('are updated by a write to the firmware and a MAC under the disk’s key, however long the update is', async () => {
    const update = randomBytes(20_000)
    await writeFile(at('dbx.auth'), update)
    expect(await secureBoot('install', 'dbx', at('dbx.auth'))).toContain('the disk opens for it at the next boot')
    expect(await readFile(at(`efi/${dbxFile}`))).toEqual(Buffer.concat([Buffer.of(0x67, 0, 0, 0), update]))
    expect(await consent()).toEqual({ sequence: 3, updates: [{ variable: 'dbx', signed: new Uint8Array(update) }] })
    await writeFile(at('short.auth'), 'short')
    await secureBoot('install', 'db', at('short.auth'))
    expect(await consent()).toMatchObject({ updates: [{ variable: 'dbx' }, { variable: 'db' }] })
    expect(await secureBoot('status')).toContain('waiting    signed db')
  })

  it('are consented to where another program appended to dbx, once, and not where nothing did', async () => {
    expect(await secureBoot('consent')).toBe('')
    expect(await consent()).toBe('none')
    const after = Buffer.concat([before, Buffer.from(' and more')])
    await lay(dbxFile, after, 0x27)
    expect(await secureBoot('consent')).toContain('dbx was appended to')
    const expected = { sequence: 3, updates: [{ variable: 'dbx', digest: sha256(after) }] }
    expect(await consent()).toEqual(expected)
    expect(await secureBoot('consent')).toBe('')
    expect(await consent()).toEqual(expected)
  })

  it('are not updated in a machine that takes none, or of another name', async () => {
    await writeFile(at('x.auth'), 'x')
    expect(await secureBoot('install', 'MokList', at('x.auth'))).toContain('the variable is one of')
    await rm(at(`efi/StrongroomState-${consentVendor}`))
    expect(await secureBoot('install', 'dbx', at('x.auth'))).toContain('takes no updates')
    expect(await readFile(at(`efi/${dbxFile}`))).toEqual(Buffer.concat([Buffer.of(0x27, 0, 0, 0), before]))
  })
})

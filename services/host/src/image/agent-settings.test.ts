import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { provisioningLines } from '../network/provisioning.ts'
import { exampleSpec, settledBy } from '@strongroom/paravisor/testing'
import { agentInFolder } from '../testing/guest-agent.ts'

let directory: string
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'B-settings-'))))
afterAll(async () => await rm(directory, { recursive: true, force: true }))

describe('the guest’s agent, with a vTPM', () => {
  /**
   * Runs the agent with a vTPM that has this digest of settings, and a key of an encrypted disk or none, until its settings are
   * applied. Returns what it printed last, whether it went on, and what it measured into PCR 14.
   */
  async function settleBound(
    disk: string,
    spec: typeof exampleSpec,
    o: { bound?: Uint8Array; encrypted?: boolean },
  ): Promise<{ said: string; settled: string; measured: string | undefined }> {
    const told = join(directory, 'told')
    await writeFile(told, provisioningLines({ spec, caPem: 'CA', nonce: new Uint8Array(20), reported: false }))
    const path = await agentInFolder(directory, disk)
    await writeFile(path, (await readFile(path, 'utf8')).replace(join(directory, 'no-tpm'), '/dev/null'))
    const script = `require $ARGV[0];
no warnings; *metadata = sub { return (200, contents($ARGV[1])) };
my %index = (${o.bound === undefined ? '' : `0x01400105 => pack('H*', '${Buffer.from(o.bound).toString('hex')}'),`}
  ${o.encrypted === true ? "0x01400100 => 'a key'," : ''});
*tpm = sub {
  my ($tag, $code, $rest) = @_;
  if ($code == 0x17a) { my $at = (unpack 'NN', $rest)[1]; return pack 'C NNN', 0, 1, exists $index{$at} ? (1, $at) : (0, 0) }
  if ($code == 0x14e) { return pack 'n/a', $index{unpack 'N', $rest} }
  if ($code == 0x17d) { return pack 'n/a', pack 'H64', filter(unpack('n/a', $rest), '/usr/bin/sha256sum') }
  if ($code == 0x182) { print 'measured ', unpack('N', $rest), ' ', unpack('H*', substr $rest, -32), "\\n"; return '' }
  die sprintf 'TPM command %x', $code;
};
read_settings(); settle();
print "applied\\n";`
    const { stdout } = await run({ command: 'perl', args: ['-e', script, path, told], allow: [1] })
    const lines = stdout.toString().trimEnd().split('\n')
    return {
      said: lines.at(-1) ?? '',
      settled: await readFile(join(directory, disk, 'settled'), 'utf8').catch(() => 'nothing'),
      measured: /^measured 14 (.*)$/m.exec(stdout.toString())?.[1],
    }
  }
  const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()
  const own = settledBy(exampleSpec, 'CA')
  const oneMoreKey = {
    ...exampleSpec,
    osProfile: {
      ...exampleSpec.osProfile,
      sshPublicKeys: [...exampleSpec.osProfile.sshPublicKeys, 'ssh-ed25519 AAAA host'],
    },
  }

  it('applies what its vTPM is bound to, and leaves it to the initrd to measure that', async () => {
    const o = { bound: sha256(own), encrypted: true }
    const applied = { said: 'applied', settled: Buffer.from(own).toString(), measured: undefined }
    expect(await settleBound('bound', exampleSpec, o)).toEqual(applied)
    expect(await settleBound('bound', exampleSpec, o)).toEqual(applied)
    // What the disk has settled is of the vTPM, so what the host names later is ignored as ever.
    expect(await settleBound('bound', oneMoreKey, o)).toEqual(applied)
  })

  it('applies nothing that the host names on a disk of before the first boot, but what its vTPM is bound to (attack H24)', async () => {
    expect(await settleBound('put-back', oneMoreKey, { bound: sha256(own), encrypted: true })).toEqual({
      said:
        'strongroom: settings refused, nothing was applied: expected those with SHA-256 ' +
        `${sha256(own).toString('hex')}, which this VM was made with; found named by the host, on a disk that was never set up, ` +
        `those with SHA-256 ${sha256(settledBy(oneMoreKey, 'CA')).toString('hex')}`,
      settled: 'nothing',
      measured: undefined,
    })
  })

  it('applies nothing that a disk has settled for another VM (attack H24)', async () => {
    await settleBound('foreign', oneMoreKey, { bound: sha256(settledBy(oneMoreKey, 'CA')) })
    const { said, measured } = await settleBound('foreign', exampleSpec, { bound: sha256(own) })
    expect(said).toMatch(/^strongroom: settings refused, nothing was applied: .* found on the disk those with SHA-256 /)
    expect(measured).toBeUndefined()
  })

  it('sets up no encrypted disk without a digest in its vTPM, and goes by a disk that brings its settings (attack H24)', async () => {
    const refused = await settleBound('specialised', exampleSpec, { encrypted: true })
    expect(refused.said).toMatch(
      /^strongroom: settings refused, nothing was applied: expected those of the encrypted disk/,
    )
    expect([refused.settled, refused.measured]).toEqual(['nothing', undefined])
    const measured = sha256(own).toString('hex')
    // In the clear, the host writes on it anyway.
    const text = Buffer.from(own).toString()
    expect(await settleBound('specialised', exampleSpec, {})).toEqual({ said: 'applied', settled: text, measured })
    const later = await settleBound('specialised', oneMoreKey, { encrypted: true })
    expect(later).toEqual({ said: 'applied', settled: text, measured })
  })

  it('has its vTPM know that the VM was set up once that is on the disk, and again at a later boot', async () => {
    const path = await agentInFolder(directory, 'made')
    await mkdir(join(directory, 'made'))
    await writeFile(path, (await readFile(path, 'utf8')).replace(join(directory, 'no-tpm'), '/dev/null'))
    const script = `require $ARGV[0];
no warnings; my $content = "\\0";
*tpm = sub {
  my ($tag, $code, $rest) = @_;
  return pack 'C NNN', 0, 1, 1, 0x01400106 if $code == 0x17a;
  return pack 'n/a', $content if $code == 0x14e;
  die sprintf 'TPM command %x', $code if $code != 0x137;
  $content = unpack 'x8 x13 n/a', $rest;
  print 'wrote ', ord $content, -f "$ARGV[1]/made" ? " on a disk that has it\\n" : " before the disk has it\\n";
};
keep_what_was_made(); keep_what_was_made(); $content = "\\0"; keep_what_was_made(); set_up(0);`
    const { stdout } = await run({ command: 'perl', args: ['-e', script, path, join(directory, 'made')] })
    const wrote = 'wrote 1 on a disk that has it\n'
    expect(stdout.toString()).toBe(`${wrote}${wrote}wrote 0 on a disk that has it\n`)
  })
})

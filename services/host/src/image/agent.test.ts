import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseUserspaceLog } from '@strongroom/evidence/expected'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { provisioningLines } from '../network/provisioning.ts'
import { exampleSpec, settledBy } from '@strongroom/paravisor/testing'
import { agentInFolder } from '../testing/guest-agent.ts'

const passwordHash = '$y$j9T$aaaaaaaaaaaaaaaaaaaaa/$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'
const passwordSha256 = createHash('sha256').update(passwordHash).digest('hex')
const withPassword = { ...exampleSpec, osProfile: { ...exampleSpec.osProfile, passwordHash, passwordSha256 } }

let directory: string
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'B-agent-'))))
afterAll(async () => await rm(directory, { recursive: true, force: true }))

const agentOn = async (disk: string): Promise<string> => await agentInFolder(directory, disk)

/** Runs the agent until it has applied its settings. Returns them by name. */
async function settle(disk: string, spec: typeof exampleSpec, caPem = 'CA'): Promise<Record<string, string>> {
  const told = join(directory, 'told')
  await writeFile(told, provisioningLines({ spec, caPem, nonce: new Uint8Array(20), reported: false }))
  const script = `require $ARGV[0];
no warnings; *metadata = sub { return (200, contents($ARGV[1])) };
read_settings(); settle();
print "$_ ", value($_), "\n" for qw(hostname adminUsername customData passwordHash caPem);
print 'key ', from_base64($_), "\n" for our @ssh_keys;`
  const { stdout } = await run({ command: 'perl', args: ['-e', script, await agentOn(disk), told] })
  return Object.fromEntries(
    stdout
      .toString()
      .split('\n')
      .filter((line) => / ./.test(line))
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  )
}

/** An authority created by the host, in PEM. @param nameConstraints and further extensions, in OpenSSL's configuration syntax */
async function certificate(nameConstraints?: string, ...further: string[]): Promise<string> {
  const subject = ['-subj', '/CN=host', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(directory, 'host.key')]
  const given = [...(nameConstraints === undefined ? [] : [`nameConstraints=${nameConstraints}`]), ...further]
  const extensions = given.flatMap((each) => ['-addext', each])
  return (
    await run({ command: 'openssl', args: ['req', '-new', '-x509', ...subject, ...extensions] })
  ).stdout.toString()
}

describe('the guest’s agent', () => {
  it('settles what the machine says that it settles, a digest in place of the password', async () => {
    for (const [disk, spec] of [
      ['keys', exampleSpec],
      ['password', withPassword],
    ] as const) {
      const taken = await settle(disk, spec as typeof exampleSpec)
      expect(taken['passwordHash']).toBe(disk === 'keys' ? undefined : passwordHash)
      const settled = await readFile(join(directory, disk, 'settled'))
      expect(settled.toString()).toBe(Buffer.from(settledBy(spec, 'CA')).toString())
      expect(settled.toString()).not.toContain(Buffer.from(passwordHash).toString('base64').slice(0, 20))
    }
  })

  it('takes no password, no custom data and no key from a host that names them after the first boot', async () => {
    await settle('later', exampleSpec)
    const osProfile = {
      ...withPassword.osProfile,
      customData: Buffer.from('#!/bin/sh').toString('base64'),
      sshPublicKeys: ['ssh-ed25519 AAAA operator'],
    }
    const taken = await settle('later', { ...exampleSpec, osProfile } as typeof exampleSpec)
    expect(taken).toEqual({
      'strongroom:': 'the host names other accounts, keys or data than at the first boot: ignored',
      hostname: exampleSpec.osProfile.computerName,
      adminUsername: exampleSpec.osProfile.adminUsername,
      caPem: 'CA',
      key: exampleSpec.osProfile.sshPublicKeys.at(-1),
    })
  })

  it('takes no other certificate authority after the first boot than the one it settled (attack H7)', async () => {
    await settle('authority', exampleSpec)
    await writeFile(join(directory, 'authority.crt'), 'CA')
    expect(await settle('authority', exampleSpec, 'THE HOST’S')).toMatchObject({
      'strongroom:': 'the host names other accounts, keys or data than at the first boot: ignored',
      caPem: 'CA',
    })
  })

  /** Whether the agent accepts this PEM as one authority with an installation's constraints. */
  async function constrained(pem: string): Promise<boolean> {
    const path = join(directory, 'given.pem')
    await writeFile(path, pem)
    const script = 'require $ARGV[0]; exit(constrained(contents($ARGV[1])) ? 0 : 1)'
    return (
      (await run({ command: 'perl', args: ['-e', script, await agentOn('constrained'), path], allow: [1] })).code === 0
    )
  }

  it('takes no certificate authority that is not constrained to the names of an installation (attack H7)', async () => {
    const own = 'permitted;DNS:strongroom.internal,permitted;DNS:localhost,permitted;IP:127.0.0.1/255.255.255.255'
    const given = async (extension?: string, ...more: string[]): Promise<boolean> =>
      await constrained(await certificate(extension, ...more))
    expect(await given(own)).toBe(true)
    expect(await given(`critical,${own}`)).toBe(true)
    expect(await given()).toBe(false)
    expect(await given(`permitted;DNS:com,${own}`)).toBe(false)
    expect(await given(`${own},permitted;DNS:com`)).toBe(false)
    expect(await given('excluded;DNS:strongroom.internal')).toBe(false)
  })

  it('takes none whose names look like an installation’s where they are shown (attack H7)', async () => {
    const [first, ...others] = ['DNS:strongroom.internal', 'DNS:localhost', 'IP:127.0.0.1/255.255.255.255']
    const permitted = (...names: string[]): string => names.map((name) => `permitted;${name}`).join(',')
    const shown = permitted('DNS:com', `DNS:xPermitted:${first}`, ...others)
    expect(await constrained(await certificate(shown))).toBe(false)
    const bytes =
      '06:03:55:1d:1e:04:34:30:32:a0:30:30:15:82:13:73:74:72:6f:6e:67:72:6f:6f:6d:2e:69:6e:74:65:72:6e:61:6c:30:0b' +
      ':82:09:6c:6f:63:61:6c:68:6f:73:74:30:0a:87:08:7f:00:00:01:ff:ff:ff:ff'
    const beside = `1.2.3.4=DER:04:38:${bytes}`
    expect(await constrained(await certificate(shown, beside))).toBe(false)
    expect(await constrained(await certificate(undefined, beside))).toBe(false)
  })

  it('takes none with another behind it (attack H7)', async () => {
    const own = 'permitted;DNS:strongroom.internal,permitted;DNS:localhost,permitted;IP:127.0.0.1/255.255.255.255'
    const [good, rogue] = [await certificate(own), await certificate()]
    expect(await constrained(good)).toBe(true)
    for (const pem of [
      good + rogue,
      rogue + good,
      `text\n${good}`,
      good.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE'),
    ])
      expect(await constrained(pem)).toBe(false)
  })

  it('takes the same password again at each boot, and no other', async () => {
    await settle('same', withPassword as typeof exampleSpec)
    expect((await settle('same', withPassword as typeof exampleSpec))['passwordHash']).toBe(passwordHash)
    const osProfile = { ...withPassword.osProfile, passwordHash: `${passwordHash.slice(0, -1)}c` }
    expect((await settle('same', { ...exampleSpec, osProfile } as typeof exampleSpec))['passwordHash']).toBeUndefined()
  })

  it('settles again where power was lost before its record was whole, with nothing of the half', async () => {
    const disk = join(directory, 'half')
    await mkdir(disk)
    await writeFile(join(disk, 'settled.new'), '')
    expect((await settle('half', exampleSpec))['adminUsername']).toBe(exampleSpec.osProfile.adminUsername)
    expect(await readFile(join(disk, 'settled'))).toEqual(Buffer.from(settledBy(exampleSpec, 'CA')))
    expect(await readdir(disk)).toEqual(['administrator', 'machine', 'settled'])
  })

  it('writes and reads base64 as everybody does', async () => {
    const script = `require $ARGV[0];
while (<STDIN>) {
  chomp; my $bytes = pack 'H*', $_; my $text = base64($bytes);
  print "$text ", base64url($bytes), ' ', unpack('H*', from_base64($text)), "\n" }`
    const given = Array.from({ length: 130 }, (_, length) => randomBytes(length))
    const input = given.map((bytes) => `${bytes.toString('hex')}\n`).join('')
    const { stdout } = await run({ command: 'perl', args: ['-e', script, await agentOn('letters')], stdin: input })
    expect(stdout.toString().split('\n').slice(0, -1)).toEqual(
      given.map((bytes) => `${bytes.toString('base64')} ${bytes.toString('base64url')} ${bytes.toString('hex')}`),
    )
  })

  /** Runs a script with the agent and this metadata endpoint. @returns its output */
  async function withEndpoint(
    disk: string,
    answer: (o: { path: string; response: ServerResponse }) => void,
    script: string,
  ): Promise<string> {
    const server = createServer((request, response) =>
      request.headers['metadata'] === 'true'
        ? answer({ path: request.url!.replace('/metadata/strongroom/', ''), response })
        : response.writeHead(403).end(),
    )
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    try {
      const { port } = server.address() as AddressInfo
      const path = await agentOn(disk)
      const agent = await readFile(path, 'utf8')
      await writeFile(path, agent.replace("('169.254.169.254', 80)", `('127.0.0.1', ${port})`))
      const args = ['-e', `require $ARGV[0];\n${script}`, path]
      return (await run({ command: 'perl', args, allow: [1] })).stdout.toString()
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }

  it('takes whole answers of the metadata endpoint alone', async () => {
    const answers: Record<string, (response: ServerResponse) => void> = {
      whole: (response) => response.end('x'.repeat(100_000)),
      refused: (response) => response.writeHead(400).end('no'),
      cut: (response) => response.writeHead(200, { 'content-length': 10 }).write('half', () => response.destroy()),
    }
    const script =
      "for (qw(whole refused cut)) { my ($status, $text) = metadata('GET', \"/$_\"); print $status // 'none', ' ', " +
      'length $text > 50 ? length $text : $text, "\\n" }'
    expect(await withEndpoint('wire', ({ path, response }) => answers[path]!(response), script)).toBe(
      '200 100000\n400 no\nnone half an answer\n',
    )
  })

  it('numbers each boot once, by random numbers of the vTPM and of the kernel', async () => {
    const script = `no warnings;
my $hashed;
*tpm = sub {
  return pack 'n/a', 'T' x unpack 'n', $_[2] if $_[1] == 0x17b;
  $hashed = unpack 'n/a', $_[2];
  pack 'n/a', pack 'H64', filter($hashed, '/usr/bin/sha256sum')
};
my @numbers = (boot_number(), boot_number());
print unpack('H*', $hashed), "\\n@numbers\\n"; unlink "$ARGV[1]/boot"; print boot_number(), "\\n"`
    const path = await agentOn('numbered')
    await writeFile(path, (await readFile(path, 'utf8')).replace(join(directory, 'no-tpm'), '/dev/null'))
    const args = ['-e', `require $ARGV[0];\n${script}`, path, join(directory, 'numbered.run')]
    const { stdout } = await run({ command: 'perl', args })
    const [hashed = '', numbers, next] = stdout.toString().trim().split('\n')
    const input = Buffer.from(hashed, 'hex')
    const number = createHash('sha256').update(input).digest('hex').slice(0, 32)
    expect(numbers).toBe(`${number} ${number}`)
    expect(next).toMatch(/^[0-9a-f]{32}$/)
    expect(next).not.toBe(number)
    expect(await readlink(join(directory, 'numbered.run/boot'))).toBe(next)
    const bootId = await readFile('/proc/sys/kernel/random/boot_id')
    expect(input.subarray(32)).toEqual(Buffer.concat([bootId, Buffer.alloc(32, 'T')]))
    expect(input.subarray(0, 32)).not.toEqual(Buffer.alloc(32))
  })

  /** Runs the agent with a TPM that only notes what is extended, in a boot whose first program is still to come. */
  async function measuring(boot: string, key: string, script: string): Promise<string> {
    const path = await agentOn(boot)
    const text = await readFile(path, 'utf8')
    const at = (name: string): string => join(directory, `${boot}.${name}`)
    await writeFile(
      path,
      text
        .replace(join(directory, 'no-tpm'), '/dev/null')
        .replace('/etc/ssh/ssh_host_ed25519_key', key)
        .replace('/etc/systemd/system/multi-user.target.wants/ssh.service', at('ssh.service'))
        .replace('/run/log/systemd/tpm2-measure.log', at('log')),
    )
    const noted = "no warnings; *extend = sub { print $_[0], ' ', unpack('H*', $_[1]), \"\\n\" }; *sha256 = sub { "
    const hash = "pack 'H64', filter($_[0], '/usr/bin/sha256sum') };"
    const { stdout } = await run({ command: 'perl', args: ['-e', `require $ARGV[0];\n${noted}${hash}${script}`, path] })
    return stdout.toString()
  }

  it('measures the SSH host key that the server has, once a boot, in an event of PCR 15 that the log names', async () => {
    const key = join(directory, 'host_key')
    await run({ command: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', key] })
    const line = (await readFile(`${key}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ')
    // The server does not read it.
    await writeFile(`${key}.pub`, 'ssh-ed25519 AAAA other')
    const text = `strongroom-ssh-host-key:1:${line}`
    const digest = createHash('sha256').update(text).digest('hex')
    expect(await measuring('measured', key, 'measure_host_key();')).toBe(`15 ${digest}\n`)
    const log = await readFile(join(directory, 'measured.log'))
    const [record] = parseUserspaceLog(log)
    expect(record).toMatchObject({ pcr: 15, text, digest: new Uint8Array(Buffer.from(digest, 'hex')) })
    // The agent again, after somebody exchanged the key.
    await rm(key)
    await run({ command: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', key] })
    expect(await measuring('measured', key, 'measure_host_key();')).toBe('')
    expect(await readFile(join(directory, 'measured.log'))).toEqual(log)
  })

  it.each([
    ['absent', undefined],
    ['half written', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\n'],
    ['something else', 'text'],
  ])('measures that there is none where the file of it is %s', async (what, content) => {
    const boot = `none-${what.replace(' ', '-')}`
    const key = join(directory, `${boot}-key`)
    if (content !== undefined) await writeFile(key, content)
    const digest = createHash('sha256').update('strongroom-ssh-host-key:1:none').digest('hex')
    expect(await measuring(boot, key, 'measure_host_key();')).toBe(`15 ${digest}\n`)
  })

  it('reports again where a report had no answer, and takes a refusal at once', async () => {
    const script = `our %setting = (nonce => base64('n' x 32)); report();`
    let asked = 0
    const lost = ({ response }: { response: ServerResponse }): void =>
      ++asked < 3 ? void response.destroy() : void response.end('{}')
    expect(await withEndpoint('lost', lost, script)).toBe('strongroom: ready\n')
    expect(asked).toBe(3)
    asked = 0
    const refused = ({ response }: { response: ServerResponse }): void => {
      asked++
      response.writeHead(403).end('no')
    }
    expect(await withEndpoint('refused', refused, script)).toBe('strongroom: boot report refused: status 403\n')
    expect(asked).toBe(1)
  })
})

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { open, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { parsePe } from '@strongroom/evidence/expected'
import { fetchConnection } from '../../../apps/cli/src/commands/vm/resource.ts'
import { personalSshKey } from '../../../apps/cli/src/core/ssh-key.ts'
import type { TestInstallation } from './installation.ts'
import { openArm } from './vm.ts'

const run = promisify(execFile)
const stub = '/usr/lib/systemd/boot/efi/linuxx64.efi.stub'

/**
 * A unified kernel image with the sections of another, some of them replaced: a different kernel as far as the
 * firmware's and the stub's measurements go.
 */
export async function rebuiltBootFile(o: {
  of: string
  directory: string
  name: string
  initrd?: Uint8Array
}): Promise<string> {
  const { sections } = parsePe(await readFile(o.of))
  const file = async (section: string, content?: Uint8Array): Promise<string> => {
    const path = join(o.directory, `${o.name}${section}`)
    const data = content ?? sections.find(({ name }) => name === section)?.data ?? new Uint8Array()
    await writeFile(path, data)
    return path
  }
  const osrel = Buffer.from(sections.find(({ name }) => name === '.osrel')?.data ?? [])
    .toString()
    .replace(/\0*$/, '')
  const release = await file('.osrel', Buffer.from(`${osrel.trimEnd()}\nIMAGE_VERSION=${o.name}\n`))
  const uname = (await readFile(await file('.uname'), 'utf8')).replace(/\0*$/, '').trim()
  const cmdline = (await readFile(await file('.cmdline'), 'utf8')).replace(/\0*$/, '')
  const path = join(o.directory, `${o.name}.efi`)
  await run('/usr/bin/python3', [
    '/usr/bin/ukify',
    'build',
    `--linux=${await file('.linux')}`,
    `--initrd=${await file('.initrd', o.initrd)}`,
    `--cmdline=${cmdline}`,
    `--os-release=@${release}`,
    `--uname=${uname}`,
    `--stub=${stub}`,
    `--output=${path}`,
  ])
  return path
}

/** Signs a boot file for Secure Boot with a key that is in no db. @returns the signed file */
export async function signedByAnother(path: string): Promise<string> {
  const [key, certificate, signed] = [`${path}.key`, `${path}.pem`, `${path}.foreign`]
  const subject = ['-subj', '/CN=another publisher', '-newkey', 'rsa:2048', '-nodes', '-keyout', key]
  await run('openssl', ['req', '-new', '-x509', ...subject, '-out', certificate])
  await run('sbattach', ['--remove', path]).catch(() => {})
  await run('sbsign', ['--key', key, '--cert', certificate, '--output', signed, path])
  return signed
}

/** Gives a guest a file through SSH. */
export async function sendFile(installation: TestInstallation, name: string, from: string, to: string): Promise<void> {
  const input = await open(from)
  try {
    const args = [...(await installation.sshTo(name)), '--', `cat >${to}`]
    const child = spawn('ssh', args, { stdio: [input.fd, 'ignore', 'inherit'] })
    const code = await new Promise((done, fail) => child.once('error', fail).once('close', done))
    if (code !== 0) throw new Error(`${from} did not reach ${name}: ${String(code)}`)
  } finally {
    await input.close()
  }
}

/** The port of the package server as the guest sees it. */
export const mirrorPort = 8080

/** A package server on this machine's loopback, which the guest reaches through its own while `use` runs. */
export async function withMirror<T>(
  o: { installation: TestInstallation; vm: string; folder: string },
  use: () => Promise<T>,
): Promise<T> {
  const server = createServer((request, response) => {
    const file = join(o.folder, basename(decodeURIComponent(request.url ?? '')))
    readFile(file).then(
      (content) => response.end(content),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const tunnel = await openTunnel(o, port)
  try {
    return await use()
  } finally {
    tunnel.kill()
    server.closeAllConnections()
    server.close()
  }
}

/** `ssh -R`; prints a word once the tunnel is up. */
async function openTunnel(o: { installation: TestInstallation; vm: string }, port: number): Promise<ChildProcess> {
  const arm = await openArm(o.installation)
  const path = `${arm.subscription}/resourceGroups/strongroom/providers/Microsoft.Compute/virtualMachines/${o.vm}`
  const { ssh } = await fetchConnection(arm, path)
  const { privatePath } = await personalSshKey(join(o.installation.home, 'config/strongroom'))
  const options = [
    'IdentitiesOnly=yes',
    'UserKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=no',
    'LogLevel=ERROR',
    'ExitOnForwardFailure=yes',
  ].flatMap((option) => ['-o', option])
  const target = ['-R', `127.0.0.1:${mirrorPort}:127.0.0.1:${port}`, '-p', String(ssh.port), `${ssh.user}@${ssh.host}`]
  const child = spawn('ssh', ['-i', privatePath, ...options, ...target, 'echo stands; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((done, fail) => {
    child.once('error', fail).once('close', (code) => fail(new Error(`ssh -R ended with ${code}`)))
    child.stdout.once('data', () => done())
  })
  return child
}

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openAuthority, type InstallationAuthority } from '../authority/authority.ts'
import { systemClock } from '../clock/clock.ts'
import { createHttpApp } from '../http/app.ts'
import { freePort } from '../http/free-port.ts'
import { serve } from '../http/serve.ts'
import { openInstallation, type Installation } from '../installation/installation.ts'
import { createLogger } from '../log/logger.ts'
import { createSealer } from '../sealing/sealer.ts'
import { SettableClock } from '../clock/settable-clock.ts'
import { PublicNames } from './public-names.ts'

const logger = createLogger({ level: 'silent' })
const dayMs = 24 * 3600_000
let stateDir: string
let installation: Installation
let authority: InstallationAuthority
let server: { close(): Promise<void> }
const opened: PublicNames[] = []

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'strongroom-public-names-'))
  const ports = { tls: await freePort(), local: await freePort() }
  installation = (await openInstallation({ stateDir, ports })).installation
  const sealer = createSealer(Uint8Array.from(randomBytes(32)))
  authority = await openAuthority({ stateDir, sealer, clock: systemClock, installation })
  const app = createHttpApp({ name: 'echo', logger })
  app.post('/echo', async (request, reply) =>
    reply
      .header('location', `https://${request.hostname}/next`)
      .send({ id: `https://${request.hostname}/x`, got: request.body }),
  )
  app.get('/host', async (request) => ({ value: request.hostname }))
  app.get('/bytes', async (_request, reply) => reply.type('application/octet-stream').send(Buffer.alloc(100_000, 7)))
  server = await serve({ installation, authority, logger, hosts: [{ matches: () => true, app }] })
})
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close()
})
afterAll(async () => {
  await server.close()
  rmSync(stateDir, { recursive: true })
})

function make(o: { clock?: SettableClock; mode?: 'hardware' } = {}): PublicNames {
  const made = new PublicNames({
    installation: { ...installation, ...(o.mode && { mode: o.mode }) },
    stateDir,
    authority,
    clock: o.clock ?? systemClock,
    logger,
  })
  opened.push(made)
  return made
}

interface Answer {
  code: number
  stdout: string
  stderr: string
}

const run = (file: string, args: string[]): Promise<Answer> =>
  new Promise((done) => {
    execFile(file, args, { env: { PATH: process.env['PATH'] } }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
const curl = (names: PublicNames, ...args: string[]): Promise<Answer> =>
  run('curl', [
    '-sSi',
    '--proxy',
    `http://127.0.0.1:${names.state().port}`,
    '--cacert',
    join(stateDir, 'public-names.pem'),
    ...args,
  ])

describe('public names', () => {
  it('are answered by the installation’s services, with addresses as the client knows them', async () => {
    const names = make()
    await names.open()
    const body = JSON.stringify({ keyUrl: 'https://kv1.vault.azure.net/k', value: 'https://kv1.vault.azure.net/k' })
    const { stdout } = await curl(names, 'https://kv1.vault.azure.net/echo', '--json', body)
    expect(stdout).toContain('200 OK')
    expect(stdout).toContain('location: https://kv1.vault.azure.net/next')
    expect(stdout).toContain('"id":"https://kv1.vault.azure.net/x"')
    expect(stdout).toContain('"keyUrl":"https://kv1.vault.azure.net/k"')
    expect(stdout).toContain('"value":"https://kv1.vault.azure.net/k"')
    const bytes = await curl(
      names,
      'https://disks.blob.core.windows.net/bytes',
      '-o',
      '/dev/null',
      '-w',
      '%{size_download}',
    )
    expect(bytes.stdout).toContain('100000')
    expect(names.state()).toMatchObject({ open: true, passedOn: {}, refused: {} })
  })

  it.each([
    ['kv1.vault.azure.net', 'kv1.vault.strongroom.internal'],
    ['alpha.weu.attest.azure.net', 'alpha.weu.attest.strongroom.internal'],
    ['sharedweu.weu.attest.azure.net', 'sharedweu.weu.attest.azure.net'],
  ])('reach the service of %s as %s', async (name, asked) => {
    const names = make()
    expect(names.isOpen()).toBe(false)
    await names.open()
    expect(names.isOpen()).toBe(true)
    expect((await curl(names, `https://${name}/host`)).stdout).toContain(`{"value":"${asked}"}`)
    await names.close()
    expect(names.isOpen()).toBe(false)
  })

  it('lead on to the installation’s own names as well', async () => {
    const names = make()
    await names.open()
    const { stdout } = await curl(names, 'https://management.strongroom.internal/echo', '--json', '{}')
    expect(stdout).toContain('"id":"https://management.strongroom.internal/x"')
  })

  it.each([
    ['example.azure.com', 'does not answer to this name of Azure'],
    ['a.b.vault.azure.net', 'does not answer to this name of Azure'],
    ['portal.azure.com', 'does not answer to this name of Azure'],
    ['management.azure.com:8443', 'at port 443'],
  ])('are those alone: %s is refused and told', async (name, words) => {
    const names = make()
    await names.open()
    const { code, stdout } = await curl(names, `https://${name}/echo`)
    expect(code).toBe(56)
    expect(stdout).toContain(words)
    expect(Object.keys(names.state().refused)).toEqual([name])
  })

  it('have no certificate for another name within a tunnel, and no answer for another host', async () => {
    const names = make()
    await names.open()
    const { port } = names.state()
    const target = ['--connect-to', 'portal.azure.com:443:management.azure.com:443']
    const inside = await curl(names, 'https://portal.azure.com/', ...target)
    expect(inside.stdout).not.toContain('200 OK')
    expect(inside.code).not.toBe(0)
    // Clients that ignore certificates get no answer either.
    expect((await curl(names, '-k', 'https://portal.azure.com/', ...target)).code).toBe(35)
    const other = await curl(
      names,
      'https://management.azure.com/echo',
      '--json',
      '{}',
      '-H',
      'host: login.evil.example',
    )
    expect(other.stdout).toContain('421')
    expect(other.stdout).toContain('UnknownHost')
    const itself = await curl(names, `https://localhost:${port}/`)
    expect(itself.stdout).toContain('403 Forbidden')
  })

  it('are passed on where they are not Azure’s, and that is told', async () => {
    const names = make()
    await names.open()
    const elsewhere = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
    const at = await new Promise<number>((done) =>
      elsewhere.once('listening', () => done((elsewhere.address() as { port: number }).port)),
    )
    await curl(names, `https://127.0.0.1:${at}/`)
    elsewhere.close()
    expect(names.state().passedOn).toEqual({ '127.0.0.1': 1 })
  })

  it.runIf(process.getuid?.() === 0).each([
    ['another user', 65_534, '127.0.0.1'],
    ['another user, by a socket of IPv6,', 65_534, '[::ffff:127.0.0.1]'],
    ["a guest's programs", 0x7000_0001, '127.0.0.1'],
  ])('are not answered to %s of the machine', async (_who, user, address) => {
    const names = make()
    await names.open()
    const { port } = names.state()
    const asked = ['-sSik', '--proxy', `http://${address}:${port}`, 'https://management.azure.com/echo', '--json', '{}']
    const as = ['--reuid', String(user), '--regid', String(user), '--clear-groups', 'curl', ...asked]
    const { code, stdout } = await run('setpriv', as)
    expect(code).toBe(56)
    expect(stdout).toContain('403 Only for the user who runs Strongroom')
    expect(names.state().refused).toEqual({ [`a program of user ${user}`]: 1 })
    expect((await run('curl', asked)).stdout).toContain('200 OK')
  })

  it('are not answered to a connection of which the kernel does not say whose it is', async () => {
    const names = make()
    await names.open()
    // Data and the end of the connection arrive together (TCP_CORK): the kernel lists no owner for a closing connection.
    const closing = `import socket, sys
s = socket.create_connection(('127.0.0.1', ${names.state().port}))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
s.sendall(b'CONNECT management.azure.com:443 HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')
s.shutdown(socket.SHUT_WR)
while part := s.recv(4096): sys.stdout.write(part.decode('latin1'))`
    const { code, stdout } = await run('python3', ['-c', closing])
    expect([code, stdout.split('\r\n', 1)[0]]).toEqual([0, 'HTTP/1.1 403 Only for the user who runs Strongroom'])
    expect(names.state().refused).toEqual({ 'a program of user unknown': 1 })
  })

  it('are trusted by a file of the user alone, which goes with them', async () => {
    const names = make()
    const { trusted } = await names.open()
    expect((await run('stat', ['-c', '%a', trusted!])).stdout.trim()).toBe('600')
    await names.close()
    expect(existsSync(trusted!)).toBe(false)
    expect(existsSync(join(stateDir, 'public-names.json'))).toBe(false)
    expect(names.state()).toMatchObject({ open: false })
  })

  it('end after 30 days, with the tunnels refused, until they are asked for again', async () => {
    const began = new Date()
    const clock = new SettableClock({ now: () => began })
    const names = make({ clock })
    const first = await names.open()
    expect(new Date(first.until!).getTime() - clock.now().getTime()).toBe(30 * dayMs)
    clock.advance(30 * dayMs + 1)
    const { code, stdout } = await curl(names, 'https://management.azure.com/echo')
    expect(code).toBe(56)
    expect(stdout).toContain('403 Public names have ended')
    expect(names.state()).toMatchObject({ open: false, port: first.port, until: first.until })
    const again = await names.open()
    expect(again).toMatchObject({ open: true, port: first.port })
    expect(new Date(again.until!).getTime() - clock.now().getTime()).toBe(30 * dayMs)
  })

  it('keep port and end, and no key, over a restart of the server', async () => {
    const names = make()
    const before = await names.open()
    const pem = readFileSync(before.trusted!, 'utf8')
    await names.stop()
    const next = make()
    await next.resume()
    expect(next.state()).toMatchObject({ open: true, port: before.port, until: before.until })
    expect(readFileSync(before.trusted!, 'utf8')).not.toBe(pem)
    expect((await curl(next, 'https://management.azure.com/echo', '--json', '{}')).stdout).toContain('200 OK')
  })

  it('are not opened again by a server that starts after their end', async () => {
    const names = make()
    await names.open()
    await names.stop()
    const clock = new SettableClock()
    clock.advance(31 * dayMs)
    const next = make({ clock })
    await next.resume()
    expect(next.state()).toMatchObject({ open: false })
    expect(existsSync(join(stateDir, 'public-names.pem'))).toBe(false)
  })

  it('do not keep a server from starting whose port is taken, and say so to who asks', async () => {
    const names = make()
    const { port } = await names.open()
    await names.stop()
    const taker = createServer().listen(port, '127.0.0.1')
    await new Promise((done) => taker.once('listening', done))
    const next = make()
    await next.resume()
    expect(next.state().open).toBe(false)
    await expect(next.open()).rejects.toMatchObject({ code: 'PortTaken' })
    taker.close()
  })

  it('are one authority where two shells ask at once', async () => {
    const names = make()
    const [one, two] = await Promise.all([names.open(), names.open()])
    expect(one).toEqual(two)
  })

  it('are refused in hardware mode, also where a file says that they were open', async () => {
    writeFileSync(join(stateDir, 'public-names.json'), JSON.stringify({ port: 0, until: new Date(Date.now() + dayMs) }))
    const names = make({ mode: 'hardware' })
    await names.resume()
    expect(names.state().open).toBe(false)
    await expect(names.open()).rejects.toMatchObject({ code: 'PublicNamesRefused', status: 409 })
  })
})

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { systemClock } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exampleSpec, settledBy } from '@strongroom/paravisor/testing'
import { parseReportWithoutTpm } from '@strongroom/paravisor'
import { commandLines, parseResult } from './command-routes.ts'
import { CommandQueue } from './command-queue.ts'
import { provisioningLines } from './provisioning.ts'
import { TestEndpoints } from './testing/test-endpoints.ts'

const id = '0f2a9f3e-0000-4000-8000-00000000aaaa'
const command = { id, script: 'id\n', parameters: [{ name: 'X', value: 'a\nid b' }], timeoutSeconds: 60 }

describe('the queue of commands', () => {
  it('gives a command to the guest once, takes one answer, and keeps it', async () => {
    const queue = new CommandQueue(systemClock)
    const waiting = queue.next()
    queue.submit(command)
    expect(await waiting).toEqual(command)
    expect(queue.submit({ ...command, script: 'other' }).state).toBe('Running')
    queue.finish(id, { exitCode: 0, stdout: 'root', stderr: '' })
    expect(() => queue.finish(id, { exitCode: 1 })).toThrow(expect.objectContaining({ code: 'CommandNotFound' }))
    expect(queue.find(id)).toMatchObject({ state: 'Done', exitCode: 0, stdout: 'root' })
  })

  it('gives a command to nobody who has left, and to whoever asks next', async () => {
    const queue = new CommandQueue(systemClock)
    const gone = new AbortController()
    const left = queue.next(gone.signal)
    gone.abort()
    queue.submit(command)
    expect([await left, await queue.next()]).toEqual([undefined, command])
    queue.finish(id, { exitCode: 0 })
    const [replaced, waiting] = [queue.next(), queue.next()]
    const second = { ...command, id: id.replace('a', 'b') }
    queue.submit(second)
    expect([await replaced, await waiting]).toEqual([undefined, second])
  })

  it('knows no result where the guest asks for the next without one, and gives nothing out twice', async () => {
    const queue = new CommandQueue(systemClock)
    queue.submit(command)
    expect(await queue.next()).toEqual(command)
    queue.submit({ ...command, id: id.replace('a', 'b') })
    expect((await queue.next())?.id).not.toBe(id)
    expect(queue.find(id)).toMatchObject({ state: 'Unknown', endedAt: expect.any(String) })
    expect(() => queue.finish(id, { exitCode: 0 })).toThrow(expect.objectContaining({ code: 'CommandNotFound' }))
  })

  it('knows no result of what ran or waited when the guest ended', async () => {
    const queue = new CommandQueue(systemClock)
    queue.submit(command)
    await queue.next()
    const later = { ...command, id: id.replace('a', 'b') }
    queue.submit(later)
    queue.close()
    expect([queue.find(id)?.state, queue.find(later.id)?.state]).toEqual(['Unknown', 'Unknown'])
    expect(queue.submit({ ...command, id: id.replace('a', 'c') }).state).toBe('Unknown')
    expect(await queue.next()).toBeUndefined()
  })

  it('lets nobody wait for a guest that has ended', async () => {
    const queue = new CommandQueue(systemClock)
    const waiting = queue.next()
    queue.close()
    expect(await waiting).toBeUndefined()
  })
})

describe('a command on its way', () => {
  it('is lines of which no value can make another', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (script, value) => {
        const lines = commandLines({ ...command, script, parameters: [{ name: 'X', value }] })
          .trimEnd()
          .split('\n')
        expect(lines.map((line) => line.split(' ')[0])).toEqual(['id', 'limit', 'script', 'variable'])
        expect(Buffer.from(lines[2]!.split(' ')[1] ?? '', 'base64').toString()).toBe(Buffer.from(script).toString())
      }),
    )
  })

  it('comes back as a result, or names what is wrong with it', () => {
    const ok = Buffer.from('out').toString('base64')
    expect(parseResult({ exitCode: 3, stdout: ok, stderr: '' })).toEqual({ exitCode: 3, stdout: 'out', stderr: '' })
    expect(parseResult({ refused: 'no' })).toEqual({ refused: 'no' })
    const long = Buffer.alloc(4097).toString('base64')
    for (const [target, body] of [
      ['exitCode', { exitCode: 256, stdout: '', stderr: '' }],
      ['stdout', { exitCode: 0, stdout: long, stderr: '' }],
      ['stderr', { exitCode: 0, stdout: '', stderr: '!' }],
    ] as const)
      expect(() => parseResult(body)).toThrow(expect.objectContaining({ code: 'InvalidCommandResult', target }))
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => parseResult(value)).toThrow(expect.objectContaining({ code: 'InvalidCommandResult' }))
      }),
    )
  })
})

describe('a machine without a vTPM', () => {
  it('says so and gives the nonce back; nothing else is taken', () => {
    expect(parseReportWithoutTpm({ nonce: 'AAAA', vtpm: 'none' })).toEqual(Buffer.from('AAAA', 'base64url'))
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => parseReportWithoutTpm(value)).toThrow(expect.objectContaining({ code: 'InvalidBootReport' }))
      }),
    )
  })
})

describe('the endpoint', () => {
  let endpoints: TestEndpoints
  beforeAll(async () => void (endpoints = await TestEndpoints.open()), 60_000)
  afterAll(async () => await endpoints.close())

  it('gives a guest the command that waits for it, and takes its answer', async () => {
    endpoints.commands.submit(command)
    const next = await endpoints.send({ path: '/metadata/strongroom/commands/next' })
    expect(next.text).toContain(`id ${Buffer.from(id).toString('base64')}`)
    const body = JSON.stringify({ exitCode: 0, stdout: '', stderr: '' })
    const headers = { 'content-type': 'application/json' }
    const path = `/metadata/strongroom/commands/${id}`
    expect((await endpoints.send({ method: 'POST', path, headers, body })).status).toBe(200)
    expect(endpoints.commands.find(id)?.state).toBe('Done')
    expect((await endpoints.send({ method: 'POST', path, headers, body })).status).toBe(404)
  })

  it('takes the number of the boot with its report, and no other form of one', async () => {
    const ready = async (boot: string): Promise<number> =>
      (
        await endpoints.send({
          method: 'POST',
          path: '/metadata/strongroom/ready',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ nonce: 'AAAA', boot }),
        })
      ).status
    await ready('0123456789abcdef'.repeat(2))
    expect(endpoints.commands.bootNumber).toBe('0123456789abcdef'.repeat(2))
    for (const boot of ['', 'A'.repeat(32), `${'a'.repeat(32)}\nreboot`]) expect(await ready(boot)).toBe(400)
    expect(endpoints.commands.bootNumber).toBe('0123456789abcdef'.repeat(2))
  })

  it('has no report without a vTPM for a confidential VM', async () => {
    const body = JSON.stringify({ nonce: Buffer.from('nonce').toString('base64url'), vtpm: 'none' })
    const headers = { 'content-type': 'application/json' }
    const reply = await endpoints.send({ method: 'POST', path: '/metadata/strongroom/ready', headers, body })
    expect([reply.status, reply.json.error.target]).toEqual([400, 'quoteMessage'])
  })

  it('serves cloud-init its files without Azure’s header', async () => {
    await endpoints.serve('new', 'SNP', false)
    const guest = 'new'
    const path = '/metadata/strongroom/cloud-init/meta-data'
    const { status, text } = await endpoints.send({ guest, path, headers: { metadata: 'no' } })
    expect(status).toBe(200)
    const metaData = JSON.parse(text) as Record<string, unknown>
    expect(metaData['local-hostname']).toBe(exampleSpec.osProfile.computerName)
    // A key containing a line break stays one key.
    expect(metaData['public-keys']).toHaveLength(2)
    const vendor = await endpoints.send({ guest, path: '/metadata/strongroom/cloud-init/vendor-data' })
    expect(vendor.text.split('\n')[0]).toBe('#cloud-config')
    expect(JSON.parse(vendor.text.split('\n')[1]!)).toMatchObject({ users: [{ name: 'azureuser', lock_passwd: true }] })
  })
})

describe('a password', () => {
  const passwordHash = '$y$j9T$aaaaaaaaaaaaaaaaaaaaa/$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'
  const passwordSha256 = createHash('sha256').update(passwordHash).digest('hex')
  const spec = { ...exampleSpec, osProfile: { ...exampleSpec.osProfile, passwordHash, passwordSha256 } }

  it('reaches the agent as its hash until the guest has reported, and what is measured is a digest of it', () => {
    const told = { spec, caPem: 'CA', nonce: Buffer.from('n') }
    const line = `passwordHash ${Buffer.from(passwordHash).toString('base64')}\n`
    expect(provisioningLines({ ...told, reported: false })).toContain(line)
    expect(provisioningLines({ ...told, reported: true })).not.toContain('passwordHash')
    const digest = Buffer.from(passwordSha256, 'hex').toString('base64')
    expect(Buffer.from(settledBy(spec, 'CA')).toString()).toContain(`\npasswordDigest ${digest}\n`)
    expect(Buffer.from(settledBy(exampleSpec, 'CA')).toString()).not.toContain('password')
  })
})

describe('custom data', () => {
  it('reaches the agent as the bytes that it is, and user data the metadata endpoint alone', () => {
    const customData = Buffer.from([0, 255, 10, 32]).toString('base64')
    const spec = { ...exampleSpec, userData: 'dXNlcg==', osProfile: { ...exampleSpec.osProfile, customData } }
    const lines = provisioningLines({ spec, caPem: 'CA', nonce: Buffer.from('n'), reported: false })
    expect(lines).toContain(`\ncustomData ${customData}\n`)
    expect(lines).not.toContain('dXNlcg==')
  })
})

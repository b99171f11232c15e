import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHttpApp, createLogger, run, type FastifyInstance } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { challengeRoutes } from '../network/challenge-routes.ts'
import { QuoteChallenges } from '../network/challenges/quote-challenges.ts'
import { recipesDirectory } from './recipe.ts'

/** The part of the guest's agent that answers challenges, as a program on this machine with a TPM that signs by adding a word. */
let directory: string
let app: FastifyInstance
let guest: ChildProcess
const challenges = new QuoteChallenges()
const at = (name: string): string => join(directory, name)
const nonce = Buffer.alloc(32, 7)
const ask = async (): Promise<{ quoteMessage: string }> => await challenges.ask({ nonce: nonce.toString('base64url') })

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'B-challenges-'))
  app = createHttpApp({ name: 'metadata', logger: createLogger({ level: 'silent' }) })
  challengeRoutes(app, challenges)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  await run({ command: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', at('key')] })
  const agent = await readFile(join(recipesDirectory, 'common/agent'), 'utf8')
  await writeFile(
    at('agent.pl'),
    agent
      .replace("('169.254.169.254', 80)", `('127.0.0.1', ${port})`)
      .replace('/dev/tpmrm0', '/dev/null')
      .replace('/etc/ssh/ssh_host_ed25519_key', at('key'))
      .replace('/proc/self/oom_score_adj', at('score'))
      .replace('sleep 5', 'select undef, undef, undef, 0.05'),
  )
  const script = `require $ARGV[0]; no warnings;
*sha256 = sub { pack 'H64', filter($_[0], '/usr/bin/sha256sum') };
*quote_registers = sub { die if -e "$ARGV[1]/broken"; ("quoted $_[0]", 'signature', 'log', map { chr($_) x 32 } 0 .. 15) };
*certify_launch = sub { -e "$ARGV[1]/launch" ? ("launch $_[0]", 'by') : () };
setpgrp; answer_challenges(); exit 0;`
  guest = spawn('perl', ['-e', script, at('agent.pl'), directory], { stdio: ['ignore', 'inherit', 'ignore'] })
  // What answers outlives the agent.
  await new Promise((done) => guest.once('exit', done))
}, 60_000)

afterAll(async () => {
  process.kill(-guest.pid!, 'SIGKILL')
  await app.close()
  await rm(directory, { recursive: true, force: true })
})

/** What the TPM is to sign: the verifier computes the same (packages/trust/src/links/running-guest-link.ts). */
async function digestOf(purpose: string, launch = ''): Promise<Buffer> {
  const line = (await readFile(at('key.pub'), 'utf8')).split(' ').slice(0, 2).join(' ')
  return createHash('sha256').update(purpose).update(nonce).update(line).update(launch, 'latin1').digest()
}

const signed = (text: string, digest: Buffer): string =>
  Buffer.concat([Buffer.from(text), digest]).toString('base64url')

const expected = async (): Promise<string> => signed('quoted ', await digestOf('strongroom-fresh-quote:1'))

describe('the guest', () => {
  it('answers with a quote over the challenge and its SSH host key, with registers and log', async () => {
    expect(await ask()).toEqual({
      quoteMessage: await expected(),
      quoteSignature: Buffer.from('signature').toString('base64url'),
      pcrs: Object.fromEntries(
        Array.from({ length: 16 }, (_, index) => [index, Buffer.alloc(32, index).toString('hex')]),
      ),
      userspaceLog: Buffer.from('log').toString('base64url'),
    })
  })

  it('answers with its launch, if the paravisor names it, and a quote over that too', async () => {
    await writeFile(at('launch'), '')
    const digest = await digestOf('strongroom-launch:1')
    const launch = Buffer.concat([Buffer.from('launch '), digest])
    expect(await ask()).toMatchObject({
      quoteMessage: signed('quoted ', await digestOf('strongroom-fresh-quote:2', launch.toString('latin1'))),
      launch: { message: launch.toString('base64url'), signature: Buffer.from('by').toString('base64url') },
    })
    await rm(at('launch'))
  })

  it('answers the next after one that it could not, and several at once', async () => {
    await writeFile(at('broken'), '')
    await expect(ask()).rejects.toMatchObject({ code: 'GuestDidNotAnswer' })
    await rm(at('broken'))
    expect(await Promise.all([ask(), ask(), ask()])).toHaveLength(3)
  })

  it('answers with the host key that the server has now', async () => {
    const before = (await ask()).quoteMessage
    await rm(at('key'))
    await run({ command: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', at('key')] })
    const after = (await ask()).quoteMessage
    expect(after).toBe(await expected())
    expect(after).not.toBe(before)
  })

  it('is ended after others where memory is short', async () => {
    expect(await readFile(at('score'), 'utf8')).toBe('-1000')
  })
})

describe('the guest’s agent', () => {
  it.each(['', 'x'.repeat(31), 'x'.repeat(33)])('signs no challenge of another length: “%s”', async (wrong) => {
    const lines = `id ${Buffer.from('0'.repeat(36)).toString('base64')}\nnonce ${Buffer.from(wrong).toString('base64')}\n`
    await writeFile(at('told'), lines)
    const script = `require $ARGV[0]; no warnings; *metadata = sub { (200, contents($ARGV[1])) };
*quote_registers = sub { print "signed\\n" }; answer_challenge();`
    const args = ['-e', script, at('agent.pl'), at('told')]
    expect((await run({ command: 'perl', args, allow: [1] })).stdout.toString()).toBe('strongroom: challenge refused\n')
  })
})

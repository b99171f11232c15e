import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultCvmReleasePolicy } from '@strongroom/contract'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { vaultCommands } from './vault.ts'

const authority = 'https://sharedweu.weu.attest.strongroom.internal'
const policy = defaultCvmReleasePolicy(authority)
const seconds = Math.floor(Date.now() / 1000)
const { n, e } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
const claims = {
  iss: authority,
  iat: seconds,
  exp: seconds + 3600,
  'x-ms-attestation-type': 'sevsnpvm',
  'x-ms-compliance-status': 'azure-compliant-cvm',
  'x-ms-runtime': { keys: [{ kid: 'HCLTransferKey', kty: 'RSA', key_ops: ['encrypt'], n, e }] },
}
const tokenOf = (payload: object, header: object = { alg: 'RS256', kid: 'a' }): string =>
  [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.AA'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'strongroom-vault-cli-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))
afterEach(() => void (process.exitCode = undefined))

async function file(name: string, content: string | object): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

async function run(
  verb: string,
  args: string[],
  options: Record<string, boolean> = {},
): Promise<{ code: number; result: Result }> {
  const command = vaultCommands.find(({ words }) => words.at(-1) === verb)!
  const context = { args, options, format: 'table' } as unknown as CommandContext
  const result = (await command.run(context))!
  return { code: Number(process.exitCode ?? 0), result }
}

describe('strongroom vault policy lint', () => {
  it('warns of the default policy, and fails on it when asked to be strict', async () => {
    const path = await file('default.json', policy)
    const { code, result } = await run('lint', [path])
    expect([code, result.lines![0]]).toEqual([0, 'A release policy with 1 authority, 2 warnings.'])
    expect(result.lines).toContain('AnyConfidentialVm at $.anyOf[0]')
    expect((await run('lint', [path], { strict: true })).code).toBe(1)
  })

  it('reads a key as az shows it', async () => {
    const data = Buffer.from(JSON.stringify(policy)).toString('base64url')
    const key = { key: { kid: 'k' }, release_policy: { contentType: 'application/json; charset=utf-8', data } }
    expect((await run('lint', [await file('key.json', key)])).result.data).toMatchObject({ authorities: 1 })
  })

  it('refuses what is not a policy and says where', async () => {
    const wrong = { anyOf: [{ authority, allOf: [{ claim: 'a', like: '1' }] }] }
    const refusal = await run('lint', [await file('wrong.json', wrong)]).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'InvalidReleasePolicy', exitCode: 1 })
    expect((refusal as Error).message).toContain('$.anyOf[0].allOf[0].like')
  })
})

describe('strongroom vault policy explain', () => {
  it('releases to a token that satisfies the policy, as a token, an answer or claims', async () => {
    const path = await file('policy.json', policy)
    for (const content of [tokenOf(claims), { token: tokenOf(claims) }, claims]) {
      const { code, result } = await run('explain', [path, await file('token', content)])
      expect([code, result.lines![0]]).toEqual([0, `Released: the token is by ${authority}.`])
    }
  })

  it('refuses to others and says what was expected and found', async () => {
    const path = await file('policy.json', policy)
    const other = await run('explain', [path, await file('t', { ...claims, 'x-ms-compliance-status': 'none' })])
    expect(other.code).toBe(1)
    expect(other.result.lines!.join('\n')).toContain('x-ms-compliance-status = "azure-compliant-cvm", found "none"')
    const foreign = await run('explain', [path, await file('t', { ...claims, iss: 'https://evil.example' })])
    expect(foreign.result.lines!.join('\n')).toContain('No entry of the policy names this authority')
    await expect(run('explain', [path, await file('t', 'nonsense')])).rejects.toMatchObject({ exitCode: 2 })
  })
  it('refuses what release refuses whatever the policy asks', async () => {
    const byIssuer = await file('loose.json', { anyOf: [{ authority, allOf: [{ claim: 'iss', equals: authority }] }] })
    const { 'x-ms-attestation-type': _, ...untyped } = claims
    const refusals: [string, string][] = [
      ['x-ms-policy-result', tokenOf({ ...claims, 'x-ms-policy-result': 'Updated' })],
      ['x-ms-attestation-type', tokenOf(untyped)],
      ['exp', tokenOf({ ...claims, exp: seconds - 3600 })],
      ['x-ms-runtime.keys', tokenOf({ ...claims, 'x-ms-runtime': {} })],
      ['alg', tokenOf(claims, { alg: 'none', kid: 'a' })],
      ['kid', tokenOf(claims, { alg: 'RS256' })],
    ]
    for (const [part, token] of refusals) {
      const { code, result } = await run('explain', [byIssuer, await file('token', token)])
      expect([part, code, result.lines![0]]).toEqual([part, 1, `Refused: the token is by ${authority}.`])
      expect(result.lines!.filter((line) => line.includes('✗'))).toEqual([
        expect.stringContaining(`the token itself: ${part}, expected`),
      ])
    }
    const { result } = await run('explain', [byIssuer, await file('token', tokenOf(claims))])
    expect(result.lines![0]).toBe(`Released: the token is by ${authority}.`)
    const twice = JSON.stringify(claims).replace('{', '{"iss":"https://evil.example",')
    await expect(run('explain', [byIssuer, await file('token', twice)])).rejects.toMatchObject({ exitCode: 2 })
  })
})

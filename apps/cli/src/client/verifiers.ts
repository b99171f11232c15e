import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { parseVerifiers, verifiersFile, VerifiersInvalid, type VerifierSettings } from '@strongroom/contract'
import { exchange, HttpFailure } from '@strongroom/platform/http-client'
import { CliError } from '../core/cli-error.ts'

const answerLimit = 1024 * 1024
const timeoutMs = 20_000

/** Attestation providers of other origins named by this installation's operator; empty without the file. */
export async function readVerifiers(stateDir: string): Promise<VerifierSettings[]> {
  try {
    return parseVerifiers(await readFile(join(stateDir, verifiersFile), 'utf8'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new CliError({
      code: 'AttestationVerifiersInvalid',
      message: `${join(stateDir, verifiersFile)} cannot be used: ${(cause as Error).message}`,
      ...(cause instanceof VerifiersInvalid && { expected: cause.expected, found: cause.found }),
      remedy: 'Correct the file as described in docs/explanation/trust-report.md, or remove it.',
      cause,
    })
  }
}

/** The key set of a provider of another origin, only from the operator's address: redirects are not followed. */
export async function fetchVerifierKeys(verifier: VerifierSettings): Promise<unknown> {
  const { issuer, keys, authority } = verifier
  const url = new URL(keys)
  const connect = url.origin === issuer ? verifier.connect : undefined
  const ca = authority === undefined ? undefined : await readFile(authority, 'utf8')
  const agent = new Agent({ minVersion: 'TLSv1.2', ...(ca !== undefined && { ca }) })
  const fail = (why: string, cause?: unknown): CliError =>
    new CliError({
      code: 'AttestationProviderUnreachable',
      message: `${keys} ${why}`,
      remedy: 'Check that the provider can be reached from here.',
      cause,
    })
  const via = {
    host: connect?.host ?? url.hostname,
    port: connect?.port ?? (url.port === '' ? 443 : Number(url.port)),
    servername: isIP(url.hostname) === 0 ? url.hostname : '',
  }
  try {
    const headers = { accept: 'application/json' }
    const { status, body } = await exchange({ url, headers, agent, via, patience: { inAll: timeoutMs }, answerLimit })
    if (status !== 200) throw new Error(`status ${status}`)
    return JSON.parse(body.toString('utf8')) as unknown
  } catch (cause) {
    const { message } = cause as Error
    throw fail(
      cause instanceof HttpFailure ? `does not answer (${message})` : `answered no key set (${message})`,
      cause,
    )
  } finally {
    agent.destroy()
  }
}

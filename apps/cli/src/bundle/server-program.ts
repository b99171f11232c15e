import { spawn } from 'node:child_process'
import type { ErrorDetail } from '@strongroom/contract'
import { serverProgram } from './program.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { nodeTooOld, serverNode } from '../core/node-program.ts'

/**
 * Runs a program of strongroomd that answers with one line of JSON, { result } or { error }: the CLI itself opens nothing
 * that is sealed. Secrets are passed only as files.
 * @param program its file in apps/strongroomd
 */
export async function askServerProgram<T>(program: string, args: string[]): Promise<T> {
  const node = serverNode()
  if (node === undefined) throw new CliError({ ...nodeTooOld, exitCode: exitCodes.missingPrerequisite })
  const entry = serverProgram(program)
  const child = spawn(node, ['--conditions=x-source', '--disable-warning=ExperimentalWarning', entry, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise<void>((done, fail) => {
    child.once('error', fail)
    child.once('close', () => done())
  })
  const text = Buffer.concat(chunks).toString('utf8')
  let answer: { result?: T; error?: ErrorDetail }
  try {
    answer = JSON.parse(text) as typeof answer
  } catch (cause) {
    throw new CliError({
      code: 'ServerProgramFailed',
      message: `${entry} did not answer.`,
      found: text.slice(0, 200),
      cause,
    })
  }
  if (answer.result !== undefined) return answer.result
  throw CliError.fromDetail(answer.error ?? { code: 'ServerProgramFailed', message: 'no answer' }, 500)
}

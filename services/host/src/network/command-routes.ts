import type { CommandRequest, CommandStatus } from '@strongroom/contract'
import { commandResult } from '@strongroom/contract/wires'
import { read, ServiceError, type FastifyInstance } from '@strongroom/platform'
import type { CommandQueue } from './command-queue.ts'
import { keyLines } from './lines.ts'

const path = '/metadata/strongroom/commands'
/** What the agent sends of each stream: 4 KiB, like Azure's. */
const most = 4096

/** The guest's side of commands: fetches the next one, and reports its result. */
export function commandRoutes(app: FastifyInstance, commands: CommandQueue): void {
  app.get(`${path}/next`, async (_request, reply) => {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const next = await commands.next(gone.signal)
    reply.type('text/plain; charset=utf-8')
    return next === undefined ? await reply.code(204).send() : await reply.send(commandLines(next))
  })
  app.post<{ Params: { id: string } }>(`${path}/:id`, async (request) => {
    commands.finish(request.params.id, parseResult(request.body))
    return {}
  })
}

/** Lines of a key and a base64 value, as in the provisioning answer. */
export function commandLines(request: CommandRequest): string {
  const entries: [string, string][] = [
    ['id', request.id],
    ['limit', String(request.timeoutSeconds)],
    ['script', request.script],
    ...request.parameters.map(({ name, value }): [string, string] => ['variable', `${name}=${value}`]),
  ]
  return keyLines(entries)
}

type Result = Pick<CommandStatus, 'exitCode' | 'stdout' | 'stderr' | 'refused'>

/** @throws ServiceError 400 InvalidCommandResult */
export function parseResult(body: unknown): Result {
  const result = read(commandResult, body, { code: 'InvalidCommandResult', subject: 'The result of the command' })
  if ('refused' in result) return { refused: result.refused.slice(0, 300) }
  const { exitCode, stdout, stderr } = result
  return { exitCode, stdout: textOf('stdout', stdout), stderr: textOf('stderr', stderr) }
}

function textOf(target: string, base64: string): string {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.length <= most) return bytes.toString('utf8')
  throw new ServiceError({
    code: 'InvalidCommandResult',
    message: `The result’s ${target} is too long.`,
    target,
    expected: `base64 of at most ${most} bytes`,
    found: `${bytes.length} bytes`,
  })
}

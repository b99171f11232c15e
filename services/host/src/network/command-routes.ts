import type { CommandRequest, CommandStatus } from '@strongroom/contract'
import { ServiceError, type FastifyInstance } from '@strongroom/platform'
import type { CommandQueue } from './command-queue.ts'

const path = '/metadata/strongroom/commands'
/** What the agent sends of each stream: 4 KiB, as Azure's does. */
const most = 4096

/** The guest's side of commands: it fetches the next one, and says what became of it. */
export function commandRoutes(app: FastifyInstance, commands: CommandQueue): void {
  app.get(`${path}/next`, async (_request, reply) => {
    const next = await commands.next()
    reply.type('text/plain; charset=utf-8')
    return next === undefined ? await reply.code(204).send() : await reply.send(commandLines(next))
  })
  app.post<{ Params: { id: string } }>(`${path}/:id`, async (request) => {
    commands.finish(request.params.id, parseResult(request.body))
    return {}
  })
}

/** Lines of a key and a value in base64, as the provisioning answer has them. */
export function commandLines(request: CommandRequest): string {
  const entries: [string, string][] = [
    ['id', request.id],
    ['limit', String(request.timeoutSeconds)],
    ['script', request.script],
    ...request.parameters.map(({ name, value }): [string, string] => ['variable', `${name}=${value}`]),
  ]
  return `${entries.map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`).join('\n')}\n`
}

type Result = Pick<CommandStatus, 'exitCode' | 'stdout' | 'stderr' | 'refused'>

/** @throws ServiceError 400 InvalidCommandResult */
export function parseResult(body: unknown): Result {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const { refused, exitCode } = fields
  if (typeof refused === 'string' && refused !== '') return { refused: refused.slice(0, 300) }
  if (typeof exitCode !== 'number' || !Number.isInteger(exitCode) || exitCode < 0 || exitCode > 255)
    throw invalid('exitCode')
  return { exitCode, stdout: text(fields, 'stdout'), stderr: text(fields, 'stderr') }
}

function text(fields: Record<string, unknown>, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw invalid(name)
  const bytes = Buffer.from(value, 'base64')
  if (bytes.length > most) throw invalid(name)
  return bytes.toString('utf8')
}

const invalid = (target: string): ServiceError =>
  new ServiceError({
    code: 'InvalidCommandResult',
    message: `The result's ${target} has another form.`,
    target,
    expected: 'exitCode, and stdout and stderr of at most 4096 bytes in base64; or refused',
  })

import { freshQuote } from '@strongroom/contract/wires'
import { read, type FastifyInstance } from '@strongroom/platform'
import { keyLines } from './lines.ts'
import type { QuoteChallenges } from './challenges/quote-challenges.ts'

const path = '/metadata/strongroom/challenges'

/** The guest's side of challenges: fetches the next one, and answers it. */
export function challengeRoutes(app: FastifyInstance, challenges: QuoteChallenges): void {
  app.get(`${path}/next`, async (_request, reply) => {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const next = await challenges.next(gone.signal)
    reply.type('text/plain; charset=utf-8')
    if (next === undefined) return await reply.code(204).send()
    return await reply.send(challengeLines(next))
  })
  app.post<{ Params: { id: string } }>(`${path}/:id`, async (request) => {
    const about = { code: 'InvalidFreshQuote', subject: 'The answer to the challenge' } as const
    challenges.answer(request.params.id, read(freshQuote, request.body, about))
    return {}
  })
}

/** Lines of a key and a base64 value, as in the provisioning answer. */
export const challengeLines = ({ id, nonce }: { id: string; nonce: string }): string =>
  keyLines([
    ['id', id],
    ['nonce', Buffer.from(nonce, 'base64url')],
  ])

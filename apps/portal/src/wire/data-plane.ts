import { tokenFor } from './session.ts'
import { ask } from './ask.ts'

/** A vault, Graph or attestation, with the principal's token for it. @throws WireError */
export async function askService<Body>(o: {
  method?: string
  url: string
  audience: string
  body?: unknown
  signal?: AbortSignal
}): Promise<Body> {
  const { audience, ...question } = o
  return (await ask<Body>({ ...question, token: await tokenFor(audience) })).body
}

import { managementAudience, managementHost, type ArmOperation } from '@strongroom/contract'
import { forgetToken, tokenFor } from './session.ts'
import { ask, type Answer } from './ask.ts'
import { errorOf, WireError } from './wire-error.ts'

/** api-versions as Azure's own clients send them. */
export const versions = {
  attestation: '2021-06-01',
  authorization: '2022-04-01',
  compute: '2024-11-01',
  cost: '2023-11-01',
  fleet: '2026-11-01',
  insights: '2015-04-01',
  network: '2024-05-01',
  quota: '2023-02-01',
  resources: '2024-11-01',
  subscriptions: '2022-12-01',
  vaults: '2023-07-01',
} as const

export interface ArmQuestion {
  method?: string
  /** Path at the resource manager with its query, without api-version. */
  path: string
  version: string
  body?: unknown
  /** As in `Question`. */
  onlyNew?: boolean
  signal?: AbortSignal
}

const addressOf = ({ path, version }: ArmQuestion): string =>
  `https://${managementHost}${path}${path.includes('?') ? '&' : '?'}api-version=${version}`

/** The resource manager, with the principal's rights. A rejected token is renewed once. @throws WireError */
async function armAt<Body>(url: string, o: Omit<ArmQuestion, 'path' | 'version'> = {}): Promise<Answer<Body>> {
  const once = async (): Promise<Answer<Body>> =>
    await ask<Body>({ ...o, url, token: await tokenFor(managementAudience) })
  try {
    return await once()
  } catch (error) {
    if (!(error instanceof WireError) || error.status !== 401) throw error
    forgetToken(managementAudience)
    return await once()
  }
}

export async function arm<Body>(question: ArmQuestion): Promise<Answer<Body>> {
  const { path: _, version: __, ...rest } = question
  return await armAt<Body>(addressOf(question), rest)
}

export async function get<Body>(path: string, version: string, signal?: AbortSignal): Promise<Body> {
  return (await arm<Body>({ path, version, ...(signal !== undefined && { signal }) })).body
}

/** Every page of a list. @param onPage called with the items so far after each page but the last */
export async function list<Item>(
  path: string,
  version: string,
  signal?: AbortSignal,
  onPage: (sofar: readonly Item[]) => void = () => {},
): Promise<Item[]> {
  const all: Item[] = []
  let url: string | undefined = addressOf({ path, version })
  while (url !== undefined) {
    const { body }: Answer<{ value: Item[]; nextLink?: string }> = await armAt(
      url,
      signal === undefined ? {} : { signal },
    )
    all.push(...body.value)
    url = body.nextLink
    if (url !== undefined) onPage([...all])
  }
  return all
}

/**
 * Sends a long-running request, and follows it to its end.
 * @param accepted called once it continues without this page
 * @throws WireError its final error
 */
export async function run(question: ArmQuestion, accepted: () => void = () => {}): Promise<void> {
  const { headers } = await arm(question)
  accepted()
  const url = headers.get('azure-asyncoperation')
  if (url === null) return
  for (;;) {
    const { body } = await armAt<ArmOperation>(url)
    if (body.status === 'Succeeded') return
    if (body.status !== 'InProgress')
      throw body.error === undefined ? errorOf(409, undefined, body.status) : new WireError(409, body.error)
    await new Promise((done) => setTimeout(done, 500))
  }
}

let subscription: Promise<string> | undefined

/** `/subscriptions/{id}` of the principal's subscription. @throws WireError */
export async function subscriptionPath(): Promise<string> {
  subscription ??= list<{ id: string }>('/subscriptions', versions.subscriptions).then(([first]) => {
    if (first !== undefined) return first.id
    throw new WireError(403, {
      code: 'NoSubscription',
      message: 'You may see no subscription of this installation.',
      innererror: { remedy: 'Ask its owner for a role, at least Reader: az role assignment create --role Reader.' },
    })
  })
  return await subscription.catch((error: unknown) => {
    subscription = undefined
    throw error
  })
}

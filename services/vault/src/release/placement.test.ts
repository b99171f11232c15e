import { createHash, randomBytes } from 'node:crypto'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { createTestVault, keyRequest, type Answer, type TestVault } from '../testing/test-vault.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const ticketOf = (): string => randomBytes(32).toString('base64url')

/** Claims of a token that satisfies the key's policy, with the attested epoch. */
function claimsAt(vault: TestVault, epoch: unknown): Record<string, unknown> {
  const runtime = vault.claims['x-ms-runtime'] as Record<string, Record<string, unknown>>
  const configuration = { ...runtime['vm-configuration'], ...(epoch !== undefined && { 'placement-epoch': epoch }) }
  return { ...vault.claims, 'x-ms-runtime': { ...runtime, 'vm-configuration': configuration } }
}

describeStores('the key of a VM that a fleet carries', (open) => {
  const setUp = async () => {
    const store = await open()
    const vault = await createTestVault(store)
    const made = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const path = `/keys/vm-1/${(made.body.key.kid as string).split('/').at(-1)}`
    const place = async (epoch: number, ticket: string): Promise<Answer> =>
      await vault.call('controlPlane', 'PUT', `${path}/placement`, { epoch, ticketSha256: sha256(ticket) })
    const ask = async (attested: unknown, placement?: unknown, to = 'release', more: object = {}): Promise<Answer> =>
      await vault.call('orchestrator', 'POST', `${path}/${to}`, {
        target: vault.provider.token(claimsAt(vault, attested)),
        ...(placement !== undefined && { placement }),
        ...more,
      })
    return { store, vault, path, place, ask }
  }
  const over = { status: 403, body: { error: { code: 'Forbidden', innererror: { code: 'PlacementOver' } } } }

  it('is released to the placement that it is for, and as ever while nobody has said of one', async () => {
    const { vault, place, ask } = await setUp()
    expect((await ask(undefined)).status).toBe(200)
    const ticket = ticketOf()
    expect(await place(1, ticket)).toMatchObject({ status: 200, body: { epoch: 1 } })
    expect((await ask(1, { epoch: 1, ticket })).status).toBe(200)
    expect((await ask(1, { epoch: 1, ticket }, 'guest-state-generation', { generation: 3 })).body).toEqual({
      generation: 3,
    })
    await vault.close()
  })

  it('is released to no host that lies about its placement, nor counts for it: epoch attested or said, ticket (attack W34)', async () => {
    const { vault, place, ask, store } = await setUp()
    const [first, second] = [ticketOf(), ticketOf()]
    await place(1, first)
    await place(2, second)
    const attempts: [attested: unknown, placement: object | undefined][] = [
      [1, { epoch: 1, ticket: first }],
      [1, { epoch: 2, ticket: second }],
      [2, { epoch: 2, ticket: first }],
      [2, { epoch: 1, ticket: second }],
      [2, { epoch: 2 }],
      [2, undefined],
      [undefined, { epoch: 2, ticket: second }],
      ['2', { epoch: 2, ticket: second }],
      [3, { epoch: 3, ticket: second }],
    ]
    for (const [attested, placement] of attempts) {
      expect(await ask(attested, placement), JSON.stringify([attested, placement])).toMatchObject(over)
      const counted = await ask(attested, placement, 'guest-state-generation', { generation: 9 })
      const isWhole = placement === undefined || 'ticket' in placement
      expect(counted, JSON.stringify([attested, placement])).toMatchObject(isWhole ? over : { status: 400 })
    }
    expect((await ask(2, { epoch: 2, ticket: second })).status).toBe(200)
    const releases = (await loggedIn(store)).filter(({ operation }) => operation === 'release')
    expect(releases.filter(({ verdict }) => verdict === 'allowed')).toHaveLength(1)
    expect(releases.filter(({ verdict }) => verdict === 'refused')).toHaveLength(attempts.length)
    // The log shows the order of epochs.
    const allowed = (await loggedIn(store)).filter(
      ({ verdict, operation }) => verdict === 'allowed' && /placeKey|release/.test(operation),
    )
    expect(allowed.map(({ operation, subject }) => `${operation} ${subject}`)).toEqual([
      'placeKey epoch 1',
      'placeKey epoch 2',
      'release epoch 2',
    ])
    await vault.close()
  })

  it('is never again for an earlier placement, nor the same epoch for another ticket (attack W34)', async () => {
    const { vault, place, ask } = await setUp()
    const [first, second] = [ticketOf(), ticketOf()]
    await place(2, second)
    const refused = { status: 409, body: { error: { code: 'PlacementOver' } } }
    expect(await place(1, first)).toMatchObject(refused)
    expect(await place(2, first)).toMatchObject(refused)
    // Repeating it changes nothing.
    expect((await place(2, second)).status).toBe(200)
    expect(await ask(1, { epoch: 1, ticket: first })).toMatchObject(over)
    expect((await ask(2, { epoch: 2, ticket: second })).status).toBe(200)
    await vault.close()
  })

  it('is not released to whoever asked before its first placement, if that comes while the release is prepared (attack W34)', async () => {
    const { store, vault, place, ask } = await setUp()
    const ticket = ticketOf()
    const transaction = store.transaction.bind(store)
    let placed: Answer | undefined
    // The placement commits just before the release is written.
    const late = async <T>(work: Parameters<typeof transaction<T>>[0]): Promise<T> => {
      Object.assign(store, { transaction })
      placed = await place(1, ticket)
      return await transaction(work)
    }
    Object.assign(store, { transaction: late })
    expect(await ask(undefined)).toMatchObject(over)
    expect(placed?.status).toBe(200)
    const logged = await loggedIn(store)
    const after = logged.slice(logged.findIndex(({ operation }) => operation === 'placeKey') + 1)
    expect(after.map(({ operation, verdict }) => [operation, verdict])).toEqual([['release', 'refused']])
    expect((await ask(1, { epoch: 1, ticket })).status).toBe(200)
    await vault.close()
  })

  it('is placed by the resource manager alone, and by a whole statement (attack W34)', async () => {
    const { vault, path } = await setUp()
    const body = { epoch: 1, ticketSha256: sha256('t') }
    for (const as of ['orchestrator', 'owner', 'alice'] as const)
      expect((await vault.call(as, 'PUT', `${path}/placement`, body)).status, as).toBe(403)
    for (const wrong of [{}, { ...body, epoch: 0 }, { ...body, epoch: 1.5 }, { ...body, ticketSha256: 't' }, []])
      expect((await vault.call('controlPlane', 'PUT', `${path}/placement`, wrong)).status).toBe(400)
    await vault.close()
  })

  it('that is recreated under its name has no placement of the one that is gone', async () => {
    const { vault, place, path } = await setUp()
    await place(5, ticketOf())
    await vault.call('controlPlane', 'DELETE', '/keys/vm-1')
    await vault.call('controlPlane', 'DELETE', '/deletedkeys/vm-1')
    const made = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const again = `/keys/vm-1/${(made.body.key.kid as string).split('/').at(-1)}`
    expect(again).not.toBe(path)
    const placed = await vault.call('controlPlane', 'PUT', `${again}/placement`, {
      epoch: 1,
      ticketSha256: sha256('t'),
    })
    expect(placed.status).toBe(200)
    await vault.close()
  })
})

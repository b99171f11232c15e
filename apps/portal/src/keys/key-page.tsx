import { useState } from 'preact/hooks'
import type { KeyItem } from '@strongroom/contract'
import { Facts } from '../ui/facts.tsx'
import { Freshness } from '../ui/freshness.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { toWireError, WireError } from '../wire/wire-error.ts'
import { lastPart, pathOfKey, readKey, type WholeKey } from './key.ts'
import { ReleasePolicyEditor } from './release-policy-editor.tsx'
import { Rotation } from './rotation.tsx'
import { askVault, isVaultName } from './vaults.ts'
import { Enabled, secondsOf } from './vault-page.tsx'

/** A key: versions, rotation, and to whom it is released. */
export function KeyPage({ vault, key: name }: { vault: string; key: string }) {
  const live = useLive(`key ${vault} ${name}`, async (signal) => {
    if (!isVaultName(vault)) throw new WireError(404, { code: 'VaultNotFound', message: 'There is no such vault.' })
    return await readKey(vault, name, signal)
  })
  return (
    <>
      <div class="head">
        <h1>
          <bdi>{name}</bdi>
        </h1>
        <span class="quiet">
          in{' '}
          <a href={`/keys/${encodeURIComponent(vault)}`}>
            <bdi>{vault}</bdi>
          </a>
        </span>
        <Freshness live={live} />
      </div>
      {live.error !== undefined && <Problem error={live.error} what="The key could not be read." />}
      {live.value === undefined && live.error === undefined && <p class="quiet">Reading …</p>}
      {live.value !== undefined && <Whole vault={vault} name={name} whole={live.value} changed={live.refresh} />}
    </>
  )
}

interface Part {
  vault: string
  name: string
  whole: WholeKey
  changed: () => void
}

function Whole(part: Part) {
  const { key, attributes, release_policy: policy } = part.whole.current
  return (
    <>
      <Facts
        facts={[
          ['Kind', [key.kty, key.crv].filter((each) => each !== undefined).join(' ')],
          ['May', (key.key_ops ?? []).join(', ') || 'nothing'],
          ['Current version', lastPart(key.kid)],
          ['State', <Enabled key="state" enabled={attributes.enabled !== false} />],
          ['Made', secondsOf(attributes.created)],
          ['Ends', secondsOf(attributes.exp) || 'never'],
          ['If it is deleted', attributes.recoveryLevel],
        ]}
      />
      <Versions {...part} />
      <Rotation {...part} />
      {policy === undefined ? (
        <section class="stack">
          <h2>Release policy</h2>
          <p class="quiet">It has none and is never released: it is used only in its vault.</p>
        </section>
      ) : (
        <ReleasePolicyEditor {...part} policy={policy} />
      )}
    </>
  )
}

function Versions({ vault, name, whole, changed }: Part) {
  const { versions, current } = whole
  const [refused, setRefused] = useState<WireError>()
  const turn = async ({ kid, attributes }: KeyItem): Promise<void> => {
    setRefused(undefined)
    const body = { attributes: { enabled: attributes.enabled === false } }
    await askVault(vault, { method: 'PATCH', path: `${pathOfKey(name)}/${lastPart(kid)}`, body }).catch(
      (error: unknown) => setRefused(toWireError(error)),
    )
    changed()
  }
  return (
    <section class="stack">
      <h2>Versions</h2>
      {versions instanceof WireError ? (
        <Problem error={versions} what="The versions could not be read." />
      ) : (
        <Table
          label="Versions"
          rows={versions.toSorted((a, b) => (b.attributes.created ?? 0) - (a.attributes.created ?? 0))}
          keyOf={({ kid }) => kid}
          columns={[
            {
              name: 'Version',
              kind: 'head',
              cell: ({ kid }) => (
                <>
                  <code>{lastPart(kid)}</code>
                  {kid === current.key.kid && ' (current)'}
                </>
              ),
            },
            { name: 'State', cell: ({ attributes }) => <Enabled enabled={attributes.enabled !== false} /> },
            { name: 'Made', cell: ({ attributes }) => secondsOf(attributes.created) },
            { name: 'Ends', cell: ({ attributes }) => secondsOf(attributes.exp) || 'never' },
            {
              name: 'What to do',
              kind: 'do',
              cell: (item) => (
                <button type="button" onClick={() => void turn(item)}>
                  {item.attributes.enabled === false ? 'Enable' : 'Disable'}
                  <span class="visually-hidden"> version {lastPart(item.kid)}</span>
                </button>
              ),
            },
          ]}
        />
      )}
      <p class="quiet">
        A disabled version opens nothing: a machine whose disk is under it starts no more until it is enabled.
      </p>
      {refused !== undefined && <Problem error={refused} what="It was not changed." />}
    </section>
  )
}

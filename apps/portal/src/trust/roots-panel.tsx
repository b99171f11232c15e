import { useState } from 'preact/hooks'
import { Facts, type Fact } from '../ui/facts.tsx'
import { pinRoots, type PinnedRoots } from './pins.ts'
import type { Fingerprint } from './verify.ts'

interface Offer {
  files: PinnedRoots
  shown: Fingerprint[]
}

/**
 * Trusted roots: chosen by the person as files and pinned in this browser, never what the server reports about itself.
 * Other roots than the pinned ones are refused until the person accepts them.
 */
export function RootsPanel({ pinned, onPinned }: { pinned: Fingerprint[] | undefined; onPinned: () => void }) {
  const [offer, setOffer] = useState<Offer>()
  const [why, setWhy] = useState<string>()
  const changed = pinned !== undefined && offer !== undefined && !same(pinned, offer.shown)

  async function choose(list: FileList | null): Promise<void> {
    setOffer(undefined)
    setWhy(undefined)
    const texts = await Promise.all([...(list ?? [])].map(async (file) => await file.text()))
    const authority = texts.find((text) => text.includes('-----BEGIN CERTIFICATE-----'))
    const anchors = texts.find((text) => text !== authority)
    if (authority === undefined || anchors === undefined || texts.length !== 2)
      return setWhy('Choose two files together: anchors.json and ca.pem, from the state folder of the installation.')
    try {
      const { readRoots } = await import('./verify.ts')
      setOffer({ files: { anchors, authority }, shown: (await readRoots({ anchors, authority })).shown })
    } catch (error) {
      setWhy(error instanceof Error ? error.message : 'These are not roots.')
    }
  }

  function pin({ files }: Offer): void {
    pinRoots(files)
    setOffer(undefined)
    onPinned()
  }

  return (
    <details class="roots" open={pinned === undefined || offer !== undefined}>
      <summary>
        {pinned === undefined ? 'Roots: none are pinned yet' : `Roots: ${pinned.length} pinned in this browser`}
      </summary>
      {pinned !== undefined && <Fingerprints label="Pinned" list={pinned} />}
      <label class="file">
        {pinned === undefined ? 'Choose' : 'Choose others:'} anchors.json and ca.pem of the installation’s state folder
        <input type="file" multiple onChange={(event) => void choose(event.currentTarget.files)} />
      </label>
      {why !== undefined && (
        <div class="problem" role="alert">
          <p class="problem-what">{why}</p>
        </div>
      )}
      {offer !== undefined && (
        <div class={changed ? 'problem' : undefined} role={changed ? 'alert' : undefined}>
          {changed && (
            <p class="problem-what">
              These are other roots than you pinned. An installation’s roots never change by themselves: whoever gave
              you these can vouch for machines of their own.
            </p>
          )}
          <Fingerprints label="In the files" list={offer.shown} before={pinned} />
          <button type="button" class={changed ? 'danger' : 'primary'} onClick={() => pin(offer)}>
            {changed ? 'Pin these instead of the old ones' : 'Compare the fingerprints, then pin them'}
          </button>
        </div>
      )}
    </details>
  )
}

const same = (one: readonly Fingerprint[], other: readonly Fingerprint[]): boolean =>
  one.length === other.length && one.every(({ sha256 }, index) => sha256 === other[index]?.sha256)

function Fingerprints({
  label,
  list,
  before,
}: {
  label: string
  list: Fingerprint[]
  before?: Fingerprint[] | undefined
}) {
  return (
    <Facts
      look="said"
      label={label}
      facts={list.map(({ name, sha256 }): Fact => [
        name,
        <>
          SHA-256 {sha256}
          {before !== undefined && !before.some((each) => each.sha256 === sha256) && <strong> not pinned</strong>}
        </>,
      ])}
    />
  )
}

import { sourceNames, type Link } from '@strongroom/trust'
import { Facts } from '../ui/facts.tsx'
import { meanings } from './meanings.ts'

const outcomes = {
  verified: { mark: '✓', kind: 'good', word: 'holds' },
  refused: { mark: '✗', kind: 'bad', word: 'refused' },
  'not checked': { mark: '?', kind: 'open', word: 'not checked' },
} as const

/** The chain from silicon to disk, link by link: what was found, and what it protects from. */
export function LinkList({ links }: { links: readonly Link[] }) {
  return (
    <ol class="links">
      {links.map((link) => (
        <LinkView key={link.id} link={link} />
      ))}
    </ol>
  )
}

function LinkView({ link }: { link: Link }) {
  const { mark, kind, word } = outcomes[link.outcome]
  const meaning = meanings[link.id]
  return (
    <li class={`link ${kind}`}>
      <h3>
        <span aria-hidden="true">{mark} </span>
        {link.title}
        <span class={link.outcome === 'verified' ? 'visually-hidden' : 'word'}> {word}</span>
        {link.code !== undefined && <code>{link.code}</code>}
      </h3>
      {link.why !== undefined && (
        <p class="why">
          <bdi>{link.why}</bdi>
        </p>
      )}
      <Facts
        look="said"
        facts={[
          ['Expected', link.expected],
          ['Found', link.actual],
        ]}
      />
      {link.shows.map((shown, index) => (
        <p key={index} class="shown">
          <bdi>{shown}</bdi>
        </p>
      ))}
      {link.stated.map((stated, index) => (
        <p key={index} class="shown stated">
          Stated by the host: <bdi>{stated}</bdi>
        </p>
      ))}
      {link.restsOn.length > 0 && (
        <p class="quiet">Rests on {link.restsOn.map((each) => sourceNames[each]).join(', ')}.</p>
      )}
      {meaning !== undefined && (
        <p class="quiet meaning">
          Protects from: {meaning.protects} Not from: {meaning.not}
        </p>
      )}
    </li>
  )
}

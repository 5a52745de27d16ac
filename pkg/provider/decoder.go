package provider

// DecoderVersion is the version of the folder's decoder, as its signals name it; 0 where its example tells of nothing.
func (p *Provider) DecoderVersion() int {
	decoded, err := p.Decode(Delivery{Event: Token(p.Example.Event), Body: p.Example.Body})
	if err != nil || len(decoded.Elements) == 0 {
		return 0
	}
	return decoded.Elements[0].Signal.Decoder
}

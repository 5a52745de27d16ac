// Package madeup makes up what real webhooks hold: ids, persons and payloads. Nothing in it
// is taken from a real person. It draws from the source that it is given and from nothing
// else, so that what it makes can be made again.
package madeup

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Person is somebody who does not exist.
type Person struct {
	Given, Middle, Family string
	Female                bool
	Birth                 time.Time
	Home                  Place
	Street                string
	Birthplace            string
	Email, Phone          string
	PersonalCode          string
	Document              Document
}

// Place is a town. The towns exist, their people here do not.
type Place struct {
	Country, CountryName, Region, City, Postcode string
}

// Document is an identity document that nobody has issued.
type Document struct {
	Number          string
	Issued, Expires time.Time
}

var (
	women    = []string{"Aurelija", "Élodie", "Maëlle", "Siiri", "Ísold", "Chiara", "Derya", "Nuala", "Zofia", "Ana Lúcia", "Fenja", "Mirela"}
	men      = []string{"Håkon", "Théo", "Jürgen", "Ștefan", "Tadhg", "Ruy", "Casper", "Emrys", "Lubomír", "Ole", "Iñaki", "Matteo"}
	families = []string{
		"Vėtrūnaitė", "Fjellstrøm", "Marchand-Petit", "O'Darragh", "Askeroğlu", "Zvaigznīte", "Quint", "Øvergård",
		"Kermadec", "Brandt", "Łąkowska", "de la Peña", "Szentirmai", "Tõnisson", "Große", "Ní Bhriain",
	}
	streets = []string{"Storgata", "Liepų g.", "Quai des Brumes", "Rue de l'Été", "Hafenstraße", "Calle Añil", "Via Lunga", "Kadaka tee"}
	towns   = []Place{
		{"FR", "France", "Rhône", "Lyon", "69002"},
		{"LT", "Lithuania", "Telšių", "Plungė", "90123"},
		{"NO", "Norway", "Troms", "Tromsø", "9008"},
		{"DE", "Germany", "Bayern", "München", "80331"},
		{"EE", "Estonia", "Harju", "Tallinn", "10115"},
		{"ES", "Spain", "Navarra", "Pamplona / Iruña", "31001"},
		{"IT", "Italy", "Veneto", "Treviso", "31100"},
		{"AT", "Austria", "Wien", "Wien", "1070"},
	}
)

const (
	youngest, oldest = 19, 80 // years
	hoursOfYear      = 8766
	validYears       = 10
)

// NewPerson makes up a person as of now.
func NewPerson(r *rand.Rand, now time.Time) Person {
	p := Person{
		Female: r.IntN(2) == 0, Family: pick(r, families), Home: pick(r, towns), Birthplace: pick(r, towns).City,
		Street: fmt.Sprintf("%s %d", pick(r, streets), 1+r.IntN(99)),
		Phone:  "+3363998" + Digits(r, 4), // a range that France keeps for fiction
		Email:  "someone." + Hex(r, 8) + "@example.org",
	}
	given := men
	if p.Female {
		given = women
	}
	p.Given, p.Middle = pick(r, given), pick(r, given)
	p.Birth = years(now, -youngest-r.IntN(oldest-youngest)).AddDate(0, 0, -r.IntN(365)).Truncate(24 * time.Hour)
	p.Document = Document{Number: p.Home.Country + Digits(r, 7), Issued: years(now, -1-r.IntN(validYears-2))}
	p.Document.Expires = years(p.Document.Issued, validYears)
	p.PersonalCode = p.Birth.Format("060102") + "-" + Digits(r, 5)
	return p
}

// Name is the whole name.
func (p *Person) Name() string { return p.Given + " " + p.Family }

// Address is the address in one line.
func (p *Person) Address() string {
	return strings.Join([]string{p.Street, p.Home.Postcode + " " + p.Home.City, p.Home.CountryName}, ", ")
}

func years(from time.Time, n int) time.Time {
	return from.Add(time.Duration(n) * hoursOfYear * time.Hour)
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

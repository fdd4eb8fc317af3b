"""Questions on the first turns of the demo that name what they ask for, with what was said."""

DIRECT = [
    ("What is my surname?", "Maillefer"),
    ("What was my profession until December?", "night nurse"),
    ('How many sentences may you use when I start a message with "short:"?', "three sentences"),
    ("In which unit do I want lengths?", "millimetres"),
    ("How much is the rent per month for the first 24 months?", "640"),
    ("For how many years does the lease run?", "25 years"),
    ("Who is my contact at the railway's property service?", "Thierry Chapatte"),
    ("Within how many millimetres of the outer rail may nothing stand?", "2,500"),
    ("Who holds the second key?", "Odile Perrenoud"),
    ("In which street does Odile live?", "Rue de la Halte 3"),
    ("What is my brother's trade?", "joiner"),
    ("What is the architect's e-mail address?", "b.ruegg@example.org"),
    ("Who is the electrician?", "Farid Benali"),
    ("How much did Tante Suzanne leave me?", "48,000"),
    ("How much do I want to spend on windows?", "26,000"),
    ("How much do I want to spend on heating?", "16,000"),
]
